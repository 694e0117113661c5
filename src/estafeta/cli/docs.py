"""The reference pages that are made from the program: `python -m estafeta.cli.docs --write` or `--check`.

`docs/reference/commands.md` from the command line itself, `docs/reference/settings.md` from the settings of the site
and of the node file, `docs/reference/journal-codes.md` from the codes of the journal. `--check` fails with a sentence
for each page that does not say what the program says.
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

import typer

_REFERENCE = Path("docs/reference")
_HEAD = "<!-- Made by `python -m estafeta.cli.docs --write`; edit the program, not this page. -->\n\n"


def render_pages() -> dict[str, str]:
    """Name -> text of every generated page."""
    from estafeta.journal.codes import render_codes

    return {
        "commands.md": _HEAD + render_commands(),
        "settings.md": _HEAD + render_settings(),
        "journal-codes.md": _HEAD + render_codes(),
    }


def render_commands() -> str:
    """The page of commands."""
    from estafeta.cli.main import build_app

    root = typer.main.get_command(build_app())
    parts = [
        "# Commands\n\nErrors are one sentence on standard error. Exit status 0: done; 1: refused or something is"
        " wrong; 2: the command was not written correctly; 130: interrupted.\n"
    ]
    for path, command in _walk(["estafeta"], root):
        parts.append(_command(path, command))
    return "\n".join(parts)


def render_settings() -> str:
    """The page of settings: those of the site, then those of the node file."""
    from estafeta.directory.settings_text import render_reference

    return f"{render_reference().rstrip()}\n\n{render_node_settings()}"


def render_node_settings() -> str:
    """The keys of `estafeta.toml`."""
    from estafeta.app.config import DatabaseConfig, LabConfig, ListenerConfig, LogConfig, NodeConfig

    parts = [
        "# The node file\n\n`estafeta.toml` in the home directory holds what one node needs to start. `estafeta reload`"
        " takes in certificates and `[log]`; all other changes need a restart. Unknown keys are errors.\n"
    ]
    tables = (
        ("", NodeConfig),
        ("[log]", LogConfig),
        ("[database]", DatabaseConfig),
        ("[[listener]]", ListenerConfig),
        ("[lab]", LabConfig),
    )
    for title, table in tables:
        parts.append(f"## {title or 'Top of the file'}\n")
        for name, field in table.model_fields.items():
            if (field.alias or name) in ("log", "database", "listener", "lab"):
                continue
            default = "required" if field.is_required() else f"default `{_toml(field.default)}`"
            parts.append(f"- `{name}` ({default}): {field.description}.")
        parts.append("")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit status."""
    if arguments not in (["--write"], ["--check"]):
        print("usage: python -m estafeta.cli.docs --write|--check", file=sys.stderr)
        return 2
    stale = []
    for name, text in render_pages().items():
        path = _REFERENCE / name
        if arguments == ["--write"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
    for path in stale:
        print(f"{path} does not say what the program says: run `make docs` and commit it.", file=sys.stderr)
    return 1 if stale else 0


def _walk(path: list[str], command: Any) -> list[tuple[list[str], Any]]:
    """Every command below `command` that does something, with its words."""
    children = getattr(command, "commands", None)
    if not children:
        return [(path, command)]
    found = [(path, command)] if len(path) == 1 else []
    for name, child in children.items():
        found += _walk([*path, name], child)
    return found


def _command(path: list[str], command: Any) -> str:
    """One command: its usage, what it does, its arguments and options."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    words = [*path, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)]
    if len(path) == 1:
        words.append("COMMAND ...")
    lines = [f"## `{' '.join(path)}`\n", f"{command.help or ''}\n", f"    {' '.join(words)}\n"]
    lines += [f"- `{one.name.upper()}`: {one.help or ''}" for one in arguments]
    lines += [f"- `{_option(one)}`: {one.help or ''}" for one in options]
    return "\n".join(lines) + "\n"


def _argument(argument: Any) -> str:
    words = f"{argument.name.upper()}{'...' if argument.nargs == -1 else ''}"
    return words if argument.required else f"[{words}]"


def _option(option: Any) -> str:
    names = ", ".join(cast("list[str]", option.opts))
    return names if option.is_flag else f"{names} {option.metavar or 'N'}"


def _toml(value: object) -> str:
    return "none" if value is None else json.dumps(value, default=str)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
