"""`estafeta sendmail`, and `sendmail` itself when the program is called by that name."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from estafeta.cli.common import home_of

#: Everything is sendmail's own, options included.
_RAW = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]}


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file on `app`."""
    app.command(context_settings=_RAW)(sendmail)


def sendmail(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-t] [-i] [-f ADDRESS] [-F NAME] [-bs] [RECIPIENT]...", help="Options of sendmail, and recipients."
        ),
    ] = None,
) -> None:
    """Send the message on standard input.

    -t takes recipients from To, Cc and Bcc; -i lets a line with a lone dot pass; -f sets the envelope sender; -F the
    name in From; -bs speaks SMTP. Exit status as in sysexits.h, 75 when the caller should try again.

    To have it under its usual name: ln -s "$(command -v estafeta)" /usr/sbin/sendmail; the server is then the one in
    $ESTAFETA_HOME or /var/lib/estafeta.
    """
    raise typer.Exit(_run(context, arguments or []))


def is_called() -> bool:
    """Whether the program was called as `sendmail`."""
    return os.path.basename(sys.argv[0]) == "sendmail"


def run_as_sendmail() -> NoReturn:
    """Be sendmail: entry point under that name."""
    from estafeta.app.home import DEFAULT_HOME, Home
    from estafeta.app.sendmail.run import main

    home = Home.at(os.environ.get("ESTAFETA_HOME") or DEFAULT_HOME)
    sys.exit(main(home, sys.argv[1:], stdin=sys.stdin.buffer, stdout=sys.stdout.buffer))


def _run(context: typer.Context, arguments: list[str]) -> int:
    from estafeta.app.sendmail.run import main

    return main(home_of(context), arguments, stdin=sys.stdin.buffer, stdout=sys.stdout.buffer)
