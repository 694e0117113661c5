"""`estafeta sendmail`, and `sendmail` itself when the program is called by that name."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from estafeta.cli.common import home_of
from estafeta.cli.familiar import programs

if TYPE_CHECKING:
    from estafeta.app.home import Home

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
    name in From; -bs speaks SMTP. -bp lists the queue; -q tries all of it now, -qI ID, -qR and -qS what has that in its
    ident, a recipient or the sender. Exit status as in sysexits.h, 75 when the caller should try again.

    To have it under its usual name: ln -s "$(command -v estafeta)" /usr/sbin/sendmail; the server is then the one in
    $ESTAFETA_HOME or /var/lib/estafeta.
    """
    raise typer.Exit(_run(home_of(context), arguments or []))


def is_called() -> bool:
    """Whether the program was called as `sendmail`."""
    return os.path.basename(sys.argv[0]) == "sendmail"


def run_as_sendmail() -> NoReturn:
    """Be sendmail: entry point under that name."""
    from estafeta.app.home import DEFAULT_HOME, Home

    sys.exit(_run(Home.at(os.environ.get("ESTAFETA_HOME") or DEFAULT_HOME), sys.argv[1:]))


def _run(home: "Home", arguments: list[str]) -> int:
    if programs.is_about_queue(arguments):
        from estafeta.cli.familiar.postfix import sendmail_queue

        return programs.guarded("sendmail", lambda: sendmail_queue(home, arguments))
    from estafeta.app.sendmail.run import main

    return main(home, arguments, stdin=sys.stdin.buffer, stdout=sys.stdout.buffer)
