"""Which commands there are and in which file each is. A file is imported only for one of its commands, or for all help:
nearly all the time of a short command is imports, and a server would keep them in memory.
"""

from collections import UserDict
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from estafeta.cli.familiar.programs import PROGRAMS

#: Command: its file, in the order of the help.
FILES = {
    "setup": "setup",
    "serve": "serve",
    "reload": "serve",
    "stop": "serve",
    "status": "status",
    "stats": "stats",
    "demo": "demo",
    "sendmail": "sendmail",
    "crashtest": "crashtest",
    "tls-report": "tls_report",
    "trace": "trace",
    "log-level": "loglevel",
    "smtp-session": "smtp_session",
    "route": "route",
    "rewrite": "route",
    **dict.fromkeys(PROGRAMS, "familiar.programs"),
    "import": "transfer",
    "export": "transfer",
    "user": "user",
    "domain": "domain",
    "dkim": "dkim",
    "alias": "alias",
    "group": "group",
    "list": "lists",
    "shared": "shared",
    "config": "config",
    "certificate": "certificate",
    "store": "store",
    "lab": "lab",
    "message": "message",
    "queue": "queue",
    "filter": "filters",
    "quarantine": "quarantine",
    "rates": "rates",
    "block": "block",
    "policy": "policy",
    "journal": "journal",
    "junk": "junk",
    "smarthost": "smarthost",
    "batch": "batch",
    "dmarc": "dmarc",
    "senders": "senders",
}


class Root(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands = _Commands(dict.fromkeys(FILES))


class _Commands(UserDict[str, Any]):
    """Command by name; None until it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data |= commands_of(FILES[name])
        return self.data[name]


def commands_of(file: str) -> dict[str, Any]:
    """What a file of this package puts on the command line."""
    module = import_module(f"estafeta.cli.{file}")
    app = typer.Typer(rich_markup_mode=None)
    if hasattr(module, "commands"):
        app.add_typer(module.commands)
    else:
        module.add_commands(app)
    return dict(typer.main.get_group(app).commands)
