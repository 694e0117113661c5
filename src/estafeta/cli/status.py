"""`estafeta status`: each service, its listeners, its jobs, and what is wrong. Status 0 only when all is well."""

import time
from typing import TYPE_CHECKING

import typer

from estafeta.cli.common import Json, become_owner, node_of, show_json, show_table

if TYPE_CHECKING:
    from estafeta.app.config import Node
    from estafeta.app.report import Findings, Live


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command()(status)


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show how the server is and what is wrong with it."""
    from estafeta.app.report import Findings, examine, examine_live, find_live

    node = node_of(context)
    live = find_live(node)
    become_owner(node)
    findings = examine(node)
    if live is None:
        findings.problems.insert(0, f"It is not running: start it with `estafeta --home {node.home.root} serve`.")
    else:
        more: Findings = examine_live(live, node)
        findings.problems[:0] = more.problems
    if as_json:
        show_json(_as_json(node, live, findings))
    else:
        _show(node, live, findings)
    raise typer.Exit(1 if findings.problems else 0)


def _as_json(node: "Node", live: "Live | None", findings: "Findings") -> dict[str, object]:
    return {
        "running": live is not None,
        "home": str(node.home.root),
        "hostname": node.config.hostname,
        "uptime_seconds": int(time.time() - live.started_seconds) if live else 0,
        "server": live,
        "services": [_service_json(node, live, name) for name in _services(node)],
        "problems": findings.problems,
        "notes": findings.notes,
    }


def _services(node: "Node") -> list[str]:
    return list(dict.fromkeys(listener.service.value for listener in node.config.listeners))


def _service_json(node: "Node", live: "Live | None", service: str) -> dict[str, object]:
    mine = [listener for listener in node.config.listeners if listener.service == service]
    bound = [one for one in live.listeners if one.service == service] if live else []
    state = "running" if bound else "stopped" if any(one.start for one in mine) else "off"
    return {
        "service": service,
        "state": state,
        "listening": [one.place for one in bound],
        "configured": [one.place for one in mine if one.start],
        "kept_from_starting": [one.place for one in mine if not one.start],
    }


def _show(node: "Node", live: "Live | None", findings: "Findings") -> None:
    name = f"{node.config.hostname} at {node.home.root}"
    if live:
        up = _duration(int(time.time() - live.started_seconds))
        doing = "stopping" if live.stopping else "running"
        typer.echo(f"{name}: {doing} for {up}, version {live.version}, pid {live.pid}\n")
    else:
        typer.echo(f"{name}: not running\n")
    services = [_service_json(node, live, each) for each in _services(node)]
    show_table(
        ["Service", "State", "Listeners"],
        [
            [one["service"], one["state"], one["listening"] or one["configured"] or one["kept_from_starting"]]
            for one in services
        ],
    )
    if live:
        typer.echo()
        _show_jobs(live)
    for heading, sentences in (("Wrong", findings.problems), ("Note", findings.notes)):
        for sentence in sentences:
            typer.echo(f"{heading}: {sentence}")
    if not findings.problems:
        typer.echo("Nothing is wrong.")


def _show_jobs(live: "Live") -> None:
    from estafeta.app.workers import worker_name

    show_table(
        ["Job", "Pid", "State", "Up", "Restarts", "Connections", "Accepted", "Sent", "Lag", "Memory"],
        [
            [
                worker_name(one.index),
                one.pid or "",
                one.state,
                _duration(one.up_seconds),
                one.restarts,
                one.connections,
                one.accepted,
                one.sent,
                f"{one.loop_lag_ms:.1f} ms",
                f"{one.memory_kib / 1024:.0f} MiB",
            ]
            for one in live.workers
        ],
    )
    typer.echo()


def _duration(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds} s"
