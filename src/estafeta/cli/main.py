"""`estafeta`: runs the server or another command, and turns every failure into one sentence and an exit status.

Status 0: done. 1: refused, not possible, or (for `status`) something is wrong. 2: the command was not written
correctly. 130: interrupted. A traceback is shown only with `--debug`.
"""

import atexit
import gc
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from estafeta.app.home import DEFAULT_HOME, Home
from estafeta.core.errors import EstafetaError

_INTERRUPTED = 130
#: What is imported stays, and is much: Python's own 700 would look through it again and again.
_GC_NET_ALLOCATIONS = 50_000
#: The program by its own name, and by that of its package (`python -m estafeta`).
_OWN_NAMES = ("estafeta", "__main__.py")
_WORKERS = [str(count) for count in range(1, 257)]


def run() -> None:
    """Entry point of the `estafeta` command, and of `sendmail`, `mailq` and others when called by their names."""
    gc.set_threshold(_GC_NET_ALLOCATIONS, 20, 20)
    atexit.register(gc.freeze)  # or the interpreter looks for cycles in all there is, more than once, before it goes
    command: Callable[[], object] | None = _serving(sys.argv)
    if command is None:
        from estafeta.cli.commands import become_called, run_command

        become_called()
        command = run_command
    sys.exit(_flushed(_guarded(command)))


def _serving(argv: list[str]) -> Callable[[], int] | None:
    """The server, where nothing else is asked for: `estafeta [--home DIR] serve [--workers N]`, as systemd starts it.

    Its processes would keep what reads a command line, pydantic with it, for as long as they run: 12 MiB in each.
    """
    match argv:
        case [program, *options, "serve"]:
            workers = None
        case [program, *options, "serve", "--workers", number] if number in _WORKERS:
            workers = int(number)
        case _:
            return None
    match options:
        case []:
            home = os.environ.get("ESTAFETA_HOME") or DEFAULT_HOME
        case ["--home", home]:
            pass
        case _:
            return None
    return partial(_serve, home, workers) if os.path.basename(program) in _OWN_NAMES else None


def _serve(home: str, workers: int | None) -> int:
    from estafeta.app.serve import serve

    return serve(Home.at(home), workers=workers)


def _guarded(command: Callable[[], object]) -> int:
    """Run it; whatever happens becomes an exit status."""
    try:
        result = command()
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
        case KeyboardInterrupt():
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
