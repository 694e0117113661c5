"""`estafeta policy`: which checks there are, and what they would say of a message now."""

from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli import scanners
from estafeta.cli.common import Json, show_fields, show_json, show_table, site_of

if TYPE_CHECKING:
    from estafeta.app.replay import Case, Replayed
    from estafeta.app.stores import Site

commands = typer.Typer(
    name="policy", help="The checks of what comes in, in their order.", no_args_is_help=True, rich_markup_mode=None
)
scanners.add_commands(commands)

_REFUSED = 1


@commands.command()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show every check in its order: when it is asked, of whom, what it does, and whether the settings want it."""
    from estafeta.app.guard import guard_of

    with site_of(context) as site:
        settings = site.settings.current
        checks = guard_of(site, settings).checks
    # In the order of the session; the table of checks has its order within a stage.
    order = {stage: place for place, stage in enumerate(type(checks[0].stage))}
    rows = [
        (
            str(check.stage),
            check.name,
            _whom((check.whom(settings) if check.whom else check.who).name or ""),
            check.on(settings),
            check.words,
        )
        for check in sorted(checks, key=lambda check: order[check.stage])
    ]
    if as_json:
        show_json([dict(zip(("stage", "check", "of", "on", "does"), row, strict=True)) for row in rows])
        return
    show_table(
        ["Stage", "Check", "Asked of", "", "What it does"],
        [(stage, name, whom, "" if on else "off", words) for stage, name, whom, on, words in rows],
    )
    policy = settings.policy
    refused = f", refused from {policy.reject_score:g}" if policy.reject_score else ""
    typer.echo(f"\nPoints of all checks together: Junk from {policy.junk_score:g}{refused}.")


@commands.command()
def rules(context: typer.Context, as_json: Json = False) -> None:
    """Show the rules that give points, with the points of this site (spam.points_rules)."""
    from estafeta.policy.points import points_of
    from estafeta.policy.rulebook import rulebook

    with site_of(context) as site:
        settings = site.settings.current
    rows = [(name, points_of(name, points, settings), points, words) for name, points, words in rulebook()]
    if as_json:
        show_json([dict(zip(("rule", "points", "default", "finds"), row, strict=True)) for row in rows])
        return
    shown = [(name, f"{points:+g}", f"{default:+g}", words) for name, points, default, words in rows]
    show_table(["Rule", "Points", "Default", "What it finds"], shown)


@commands.command()
def replay(
    context: typer.Context,
    message: Annotated[str, typer.Argument(metavar="FILE|ID", help="A message in a file, `-`, or an ident.")],
    from_ip: Annotated[str, typer.Option("--from-ip", metavar="ADDRESS", help="The client's IP address.")] = "",
    helo: Annotated[str, typer.Option("--helo", metavar="NAME", help="What it says in EHLO.")] = "",
    sender: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="The sender of the envelope.")] = "",
    to: Annotated[list[str] | None, typer.Option("--to", metavar="ADDRESS", help="A recipient; repeatable.")] = None,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="As this user, signed in.")] = "",
    as_json: Json = False,
) -> None:
    """Play a message through all checks as they are now, and show what each says. Nothing is stored or sent.

    Of a message with an ident the session is known from the journal; the options say otherwise. DNS is asked anew.
    """
    import asyncio
    from ipaddress import ip_address

    from estafeta.app.replay import replay as play

    if from_ip:
        try:
            from_ip = str(ip_address(from_ip))
        except ValueError:
            raise typer.BadParameter("--from-ip must be an IP address") from None
    octets = _read(message)
    with site_of(context) as site:
        case = _case(site, message, octets)
        case = case._replace(
            peer=from_ip or case.peer,
            helo=helo or case.helo,
            sender=sender or case.sender,
            recipients=tuple(to or case.recipients),
            user=user or case.user,
        )
        if not case.recipients:
            raise typer.BadParameter("say whom it is for: --to ADDRESS")
        played = asyncio.run(play(site, case))
    if as_json:
        show_json(_as_json(played))
    else:
        _show(case, played)


def _whom(flags: str) -> str:
    return {"STRANGERS|NETWORKS|USERS|LMTP": "everybody", "": "nobody"}.get(flags, flags.lower().replace("|", ", "))


def _read(message: str) -> bytes | None:
    """The octets of a file or of standard input; None where it is no file."""
    import sys
    from pathlib import Path

    if message == "-":
        return sys.stdin.buffer.read()
    path = Path(message)
    return path.read_bytes() if path.is_file() else None


def _case(site: "Site", message: str, octets: bytes | None) -> "Case":
    from contextlib import closing

    from estafeta.app.passports import read_stored
    from estafeta.app.replay import Case, case_of
    from estafeta.journal.reading import parse_wanted, read_records
    from estafeta.journal.story import summarize
    from estafeta.storage.packs import Packs

    if octets is not None:
        return Case(octets)
    wanted = parse_wanted(message)
    records = read_records(site.database, wanted.ident) if wanted.ident else []
    if not records:
        raise typer.BadParameter(f"{message!r} is neither a file nor the ident of a message (`estafeta message trace`)")
    with closing(Packs(site.node.data / "packs")) as packs:
        return case_of(site, wanted.ident, read_stored(site.database, packs, summarize(records)))


def _show(case: "Case", played: "Replayed") -> None:
    show_fields(
        [
            ("Client", f"{case.helo} [{case.peer}]" + (f", signed in as {case.user}" if case.user else "")),
            ("From", f"<{case.sender}>"),
            ("To", ", ".join(f"<{one}>" for one in case.recipients[:10])),
            ("Size", f"{len(case.message)} octets"),
        ]
    )
    typer.echo()
    show_table(
        ["Stage", "Check", "Says", "Points", "Why"],
        [
            (str(stage), said.check, said.action.name.lower(), f"{said.score:+.1f}" if said.score else "", said.reason)
            for stage, said in played.said
        ],
        empty="No check said anything.",
    )
    judgement = played.judgement
    typer.echo()
    if judgement is None:
        typer.echo(f"Refused before there was a message: {played.reply}")
        raise typer.Exit(_REFUSED)
    typer.echo(f"Together {judgement.score:g} points of {judgement.junk_score:g}: {judgement.outcome}.")
    typer.echo(f"Reply: {played.reply}")


def _as_json(played: "Replayed") -> dict[str, object]:
    judgement = played.judgement
    return {
        "checks": [
            {
                "stage": str(stage),
                "check": said.check,
                "action": said.action.name.lower(),
                "points": said.score,
                "reason": said.reason,
                "account": said.account,
            }
            for stage, said in played.said
        ],
        "points": None if judgement is None else judgement.score,
        "outcome": "refused" if judgement is None else judgement.outcome,
        "reply": played.reply,
    }
