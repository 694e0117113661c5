"""`estafeta`: puts the commands together, and turns every failure into one sentence and an exit status.

Status 0: done. 1: refused, not possible, or (for `status`) something is wrong. 2: the command was not written
correctly. 130: interrupted. A traceback is shown only with `--debug`.
"""

import atexit
import gc
import os
import sys
import traceback
from contextlib import suppress
from typing import Annotated

import typer

from estafeta import __version__
from estafeta.app.home import DEFAULT_HOME
from estafeta.cli import sendmail
from estafeta.cli.commands import Root
from estafeta.cli.common import Options
from estafeta.cli.familiar import programs
from estafeta.core.errors import EstafetaError

_INTERRUPTED = 130
#: What is imported stays, and is much: Python's own 700 would look through it again and again.
_GC_NET_ALLOCATIONS = 50_000


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


def run() -> None:
    """Entry point of the `estafeta` command, and of `sendmail`, `mailq` and others when called by their names."""
    gc.set_threshold(_GC_NET_ALLOCATIONS, 20, 20)
    atexit.register(gc.freeze)  # or the interpreter looks for cycles in all there is, more than once, before it goes
    if sendmail.is_called():
        sendmail.run_as_sendmail()
    if name := programs.called_name():
        sys.exit(programs.run_by_name(name, sys.argv[1:]))
    status_code = _guarded(build_app())
    sys.exit(_flushed(status_code))


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


def _guarded(app: typer.Typer) -> int:
    """Run the command; whatever happens becomes an exit status."""
    try:
        result = app(prog_name="estafeta", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - this is where every failure ends
        if _debugging() and not isinstance(error, SystemExit):
            traceback.print_exc()
        return _explain(error)
    if result == _INTERRUPTED:
        return _explain(KeyboardInterrupt())
    return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> int:
    """Say what went wrong in one sentence; returns the exit status."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1
        case EstafetaError():
            return _fail(error.public + (f" ({error.private})" if error.private else ""))
        case KeyboardInterrupt() | typer.Abort():
            _fail("interrupted.")
            return _INTERRUPTED
        case BrokenPipeError():
            return 1
        case OSError():
            return _fail(_sentence(error))
        case _ if callable(getattr(error, "show", None)):  # a mistake in the command's words, which typer explains
            error.show()  # type: ignore[attr-defined]
            return int(getattr(error, "exit_code", 2))
        case _:
            return _fail(
                f"this failed in a way that it should not ({type(error).__name__}: {error});"
                " run it again with `estafeta --debug ...` and report what it shows."
            )


def _sentence(error: OSError) -> str:
    what = f"{error.filename}: " if error.filename else ""
    return f"{what}{(error.strerror or str(error)).lower()}."


def _fail(sentence: str) -> int:
    with suppress(OSError):
        print(f"estafeta: {sentence}", file=sys.stderr)
    return 1


def _debugging() -> bool:
    return "--debug" in sys.argv[1:]


def _flushed(status_code: int) -> int:
    """Write what is still buffered; a reader that has gone (`| head`) is no error to speak of."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status_code or 1
    return status_code
