"""The command line: which commands there are, and in which file each is.

A file is imported only for one of its commands, or for all help: most of the time of a short command is imports.
"""

import sys
from collections import UserDict
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from estafeta import __version__
from estafeta.app.home import DEFAULT_HOME
from estafeta.cli import sendmail
from estafeta.cli.common import Options
from estafeta.cli.familiar import programs

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
    **dict.fromkeys(programs.PROGRAMS, "familiar.programs"),
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


def build_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="estafeta",
        cls=Root,
        help="A complete mail server for your own domains.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    return app


def become_called() -> None:
    """Be `sendmail`, `mailq` or another program, and end, where this one was called by such a name."""
    if sendmail.is_called():
        sendmail.run_as_sendmail()
    if name := programs.called_name():
        sys.exit(programs.run_by_name(name, sys.argv[1:]))


def run_command() -> object:
    """Run what the command line asks for; gives its exit status, if it has one."""
    try:
        return build_app()(prog_name="estafeta", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None


class Root(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands = _Commands(dict.fromkeys(FILES))


class _Commands(UserDict[str, Any]):
    """Command by name; None until it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data |= _commands_of(FILES[name])
        return self.data[name]


def _commands_of(file: str) -> dict[str, Any]:
    """What a file of this package puts on the command line."""
    module = import_module(f"estafeta.cli.{file}")
    app = typer.Typer(rich_markup_mode=None)
    if hasattr(module, "commands"):
        app.add_typer(module.commands)
    else:
        module.add_commands(app)
    return dict(typer.main.get_group(app).commands)


def _options(
    context: typer.Context,
    home: Annotated[
        str, typer.Option("--home", metavar="DIR", envvar="ESTAFETA_HOME", help="Where the server is.")
    ] = DEFAULT_HOME,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=lambda v: _version(v)),
    ] = False,
) -> None:
    context.obj = Options(home=home)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"estafeta {__version__}")
        raise typer.Exit
