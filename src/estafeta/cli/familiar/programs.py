"""Which names there are, and running what is called by one. Exit statuses are those of <sysexits.h>."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from estafeta.cli.common import become_owner, home_of, who
from estafeta.core.errors import EstafetaError, Kind

if TYPE_CHECKING:
    from estafeta.app.home import Home
    from estafeta.app.queueing import Desk
    from estafeta.app.stores import Site

_USAGE, _UNAVAILABLE, _TEMPFAIL, _NOPERM, _CONFIG = 64, 69, 75, 77, 78
_STATUSES = {
    Kind.INVALID: _USAGE,
    Kind.TEMPORARY: _TEMPFAIL,
    Kind.UNAVAILABLE: _TEMPFAIL,
    Kind.PERMISSION: _NOPERM,
}
_INTERRUPTED = 130

Program = Callable[["Home", Sequence[str]], int]

#: Name: module of this package, function, what it does.
PROGRAMS = {
    "mailq": ("postfix", "mailq", "List the queue as Postfix and Sendmail do."),
    "postqueue": ("postfix", "postqueue", "-p list, -j as JSON, -f all now, -i ID one now, -s DOMAIN one domain now."),
    "postsuper": ("postfix", "postsuper", "-d remove, -h hold, -H release, -r requeue, -e bounce: ID, - or ALL."),
    "postcat": ("postfix", "postcat", "-q ID shows a message that waits; -e envelope, -h header, -b body."),
    "exim": ("exim", "exim", "-bp, -bpc, -qf, -M, -Mrm, -Mf, -Mt, -Mg, -Mvh, -Mvb, -Mvl, -R, -S; sends otherwise."),
    "exinext": ("eximdb", "exinext", "When a domain, an address or a message is tried next."),
    "exiqsumm": ("eximdb", "exiqsumm", "The queue summed up by domain; -c by count, -a by age."),
    "exim_dumpdb": ("eximdb", "exim_dumpdb", "SPOOL retry: what is remembered of destinations."),
    "exim_tidydb": ("eximdb", "exim_tidydb", "-t 7d SPOOL retry: forget what is older."),
    "exim_fixdb": ("eximdb", "exim_fixdb", "SPOOL retry: show and change what is remembered of a destination."),
    "newaliases": ("postfix", "newaliases", "Nothing: aliases are in the directory and count at once."),
}
_OTHER_NAMES = {"exim4": "exim"}
_RAW = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": ["--help"]}


class UsageError(Exception):
    """One sentence for who called the program in a way that it does not know."""


def add_commands(app: typer.Typer) -> None:
    """Put the programs on `app`; only `mailq` is in its help."""
    for name, (_, _, words) in PROGRAMS.items():
        app.command(name, context_settings=_RAW, hidden=name != "mailq", help=words)(_command(name))


def called_name() -> str:
    """The name of the program by which this process was called; "" where it is none of these."""
    name = os.path.basename(sys.argv[0])
    name = _OTHER_NAMES.get(name, name)
    return name if name in PROGRAMS else ""


def run_by_name(name: str, arguments: Sequence[str]) -> int:
    """Be that program: for the server in $ESTAFETA_HOME or the usual place."""
    from estafeta.app.home import DEFAULT_HOME, Home

    return run(name, Home.at(os.environ.get("ESTAFETA_HOME") or DEFAULT_HOME), arguments)


def run(name: str, home: "Home", arguments: Sequence[str]) -> int:
    """Run a program; every failure is a sentence and an exit status."""
    module, function, _ = PROGRAMS[name]
    program: Program = getattr(import_module(f"estafeta.cli.familiar.{module}"), function)
    return guarded(name, lambda: program(home, arguments))


def is_about_queue(arguments: Sequence[str]) -> bool:
    """Whether sendmail is asked for the queue, rather than to send."""
    before = arguments[: list(arguments).index("--")] if "--" in arguments else arguments
    return any(word == "-bp" or word.startswith("-q") for word in before)


def guarded(name: str, work: Callable[[], int]) -> int:
    """What `work` returns, or the exit status of what went wrong."""
    try:
        status = work()
        sys.stdout.flush()
    except UsageError as error:
        return _say(name, str(error), _USAGE)
    except typer.BadParameter as error:
        return _say(name, f"{error.message}.", _USAGE)
    except EstafetaError as error:
        status = _STATUSES.get(error.kind, _UNAVAILABLE)
        return _say(name, error.public + (f" ({error.private})" if error.private else ""), status)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _say(name, f"{error.filename or 'failed'}: {(error.strerror or str(error)).lower()}.", _UNAVAILABLE)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


@contextmanager
def opened(home: "Home") -> "Iterator[tuple[Desk, Site]]":
    """The queue of a home."""
    from estafeta.app.config import load_node
    from estafeta.app.queueing import Desk
    from estafeta.app.stores import open_site

    me, node = who(), load_node(home)
    become_owner(node)
    with open_site(node) as site:
        yield Desk(site, me), site


def options(arguments: Sequence[str], letters: str) -> tuple[list[tuple[str, str]], list[str]]:
    """As getopt(3). UsageError."""
    import getopt

    try:
        return getopt.getopt(list(arguments), letters)
    except getopt.GetoptError as error:
        raise UsageError(f"{error.msg}.") from None


def say(name: str, sentence: str) -> None:
    """Tell the person."""
    with suppress(OSError):
        print(f"{name}: {sentence}", file=sys.stderr)


def _say(name: str, sentence: str, status: int) -> int:
    say(name, sentence)
    return status


def _command(name: str) -> Callable[..., None]:
    def command(
        context: typer.Context,
        arguments: Annotated[list[str] | None, typer.Argument(metavar="OPTION", help=f"As {name} has it.")] = None,
    ) -> None:
        raise typer.Exit(run(name, home_of(context), arguments or []))

    return command
