"""The options of sendmail(8) as programs use them, and the exit statuses of <sysexits.h> as they read them.

What only tunes another implementation is taken and ignored; what asks for something else than sending is refused.
"""

import getopt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """<sysexits.h>, as far as a caller can make something of it."""

    OK = 0
    USAGE = 64
    DATAERR = 65
    NOUSER = 67
    NOHOST = 68
    UNAVAILABLE = 69
    OSERR = 71
    IOERR = 74
    TEMPFAIL = 75
    NOPERM = 77
    CONFIG = 78


class SendmailError(Exception):
    """One sentence for the caller, and the status to end with."""

    def __init__(self, status: Status, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. `sender` None: whoever calls; "": the null reverse-path. `notify`, `ret` and `envid` as RFC
    3461 has them."""

    recipients: tuple[str, ...] = ()
    sender: str | None = None
    full_name: str = ""
    read_recipients: bool = False
    dot_ends: bool = True
    speak_smtp: bool = False
    notify: str = ""
    ret: str = ""
    envid: str = ""


# With a value: f r F N R V, and those that are ignored; o, b and O are looked at. Then those without: i t, and more
# that are ignored.
_LETTERS = "f:r:F:o:b:O:A:B:C:D:h:L:N:p:R:V:X:itvnGUmEs"
_REFUSED = {
    "i": "there is no alias file to build: aliases are in the directory, see `estafeta alias`",
    "I": "there is no alias file to build: aliases are in the directory, see `estafeta alias`",
    "v": "addresses are not verified by sendmail",
    "t": "addresses are not tested by sendmail",
    "d": "the server is started with `estafeta serve`",
    "D": "the server is started with `estafeta serve`",
    "h": "host status is not shown by sendmail",
    "H": "host status is not kept by sendmail",
}


def parse_options(arguments: Sequence[str]) -> Request:
    """Read a command line. SendmailError USAGE for what is not supported or makes no sense."""
    try:
        found, rest = getopt.gnu_getopt(list(arguments), _LETTERS)
    except getopt.GetoptError as error:
        raise SendmailError(Status.USAGE, f"{error.msg}.") from None
    sender: str | None = None
    full_name, read_recipients, dot_ends, speak_smtp = "", False, True, False
    dsn = {"-N": "", "-R": "", "-V": ""}
    for option, value in found:
        match option:
            case "-f" | "-r":
                sender = "" if value.strip() == "<>" else value.strip()
            case "-F":
                full_name = value
            case "-t":
                read_recipients = True
            case "-i":
                dot_ends = False
            case "-o":
                dot_ends = dot_ends and value != "i"
            case "-O":
                dot_ends = dot_ends and value.lower().replace(" ", "") not in ("ignoredots", "ignoredots=true")
            case "-b":
                speak_smtp = _smtp_mode(value, speak_smtp)
            case "-N" | "-R" | "-V":
                dsn[option] = _dsn(option, value)
    if not (rest or read_recipients or speak_smtp):
        raise SendmailError(Status.USAGE, "no recipients: name them, or add -t to read them from the header.")
    return Request(tuple(rest), sender, full_name, read_recipients, dot_ends, speak_smtp, *dsn.values())


_DSN = {
    "-N": (re.compile(r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}"), "never, or some of"),
    "-R": (re.compile(r"FULL|HDRS"), "full or hdrs, not"),
}


def _dsn(option: str, value: str) -> str:
    """The value of an option for notices (RFC 3461): upper case, but an envelope id stays as it is."""
    if option == "-V":
        return value
    pattern, words = _DSN[option]
    if pattern.fullmatch(value.upper()) is None:
        words += " success, failure and delay, not" if option == "-N" else ""
        raise SendmailError(Status.USAGE, f"{option} takes {words} {value!r}.")
    return value.upper()


def _smtp_mode(mode: str, before: bool) -> bool:
    if mode == "s":
        return True
    if mode in ("m", "a"):
        return before
    raise _refusal(f"-b{mode}", mode)


def _refusal(option: str, mode: str) -> SendmailError:
    reason = _REFUSED.get(mode, "there is no such mode")
    return SendmailError(Status.USAGE, f"{option} is not supported: {reason}.")
