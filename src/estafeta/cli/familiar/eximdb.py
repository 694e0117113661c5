"""`exinext`, `exiqsumm`, `exim_dumpdb`, `exim_tidydb` and `exim_fixdb`: what Exim remembers of destinations.

There is one memory, that of destinations: the database `retry`. The directory of the spool is taken and not looked at.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from estafeta.app.queueing import Desk
from estafeta.cli.familiar.programs import UsageError, opened, options, say
from estafeta.cli.queuechoice import parse_ident
from estafeta.cli.queuelook import Look
from estafeta.cli.queuewords import exim_moment, parse_ahead
from estafeta.cli.since import parse_moment
from estafeta.core.errors import EstafetaError
from estafeta.journal.words import printable
from estafeta.queue.choosing import Choice
from estafeta.queue.operating import DestinationAction
from estafeta.queue.overview import DestinationState, SumBy, summary

if TYPE_CHECKING:
    from estafeta.app.home import Home

_SHOWN = 100_000
_KNOWN = ("retry", "reject", "wait-remote_smtp")


def exinext(home: "Home", arguments: Sequence[str]) -> int:
    """When mail for a domain, an address or of a message is tried next, and why not before."""
    _, words = options(arguments, "C:D:v")
    if not words:
        raise UsageError("usage: exinext domain|address|message-id...")
    with opened(home) as (desk, _):
        for word in words:
            if not sum(_say_next(desk, state) for state in _states(desk, word)):
                print(f"No retry data found for {word}")
    return 0


def _states(desk: Desk, word: str) -> Iterator[DestinationState]:
    hops = [word] if "@" not in word else []
    if not {".", ":", "@", "*"} & set(word):
        hops = sorted({one.queued.hop for one in desk.get(parse_ident(word)).waiting})
    for hop in hops:
        yield from desk.states(hop)
    routed = desk.route_domain(word) if hops in ([], [word]) else ""
    if routed and routed not in (word, f"mx:{word}"):
        yield from desk.states(routed)


def _say_next(desk: Desk, state: DestinationState) -> bool:
    """What is remembered of a destination in trouble, or of one who was put off there; whether there was anything."""
    one, delayed = state.destination, desk.delayed(state)
    if one.failures:
        print(f"Deliver: {one.hop} error: {printable(one.error)}")
        times = one.first_failed_ms, one.last_tried_ms, desk.retry_ms(state) or desk.now_ms()
    elif delayed is not None:
        print(f"Deliver: {printable(delayed.address)} at {one.hop} error: {printable(delayed.reason)}")
        times = delayed.first_ms, one.last_tried_ms, delayed.due_ms
    else:
        return False
    for name, ms in zip(("first failed:", "last tried:  ", "next try at: "), times, strict=True):
        if ms:
            print(f"  {name} {exim_moment(ms)}")
    return True


def exiqsumm(home: "Home", arguments: Sequence[str]) -> int:
    """The queue of this server, summed up by domain, whatever is on standard input: usually the list of `mailq`."""
    found, _ = options(arguments, "acrs")
    flags = {option for option, _ in found}
    if not sys.stdin.isatty():
        while sys.stdin.buffer.read(1 << 16):
            pass  # so that `mailq |` can write all of it
    with opened(home) as (desk, site):
        with site.database.read() as conn:
            sums = summary(conn, SumBy.SENDER if "-s" in flags else SumBy.DOMAIN)
        if "-c" in flags:
            sums.sort(key=lambda one: -one.number)
        elif "-a" in flags:
            sums.sort(key=lambda one: one.oldest_ms)
        Look(desk.now_ms()).sums(sums, "Sender" if "-s" in flags else "Domain")
    return 0


def exim_dumpdb(home: "Home", arguments: Sequence[str]) -> int:
    """What is remembered: two lines for each destination in trouble; * after those that fail for longer than mail
    waits."""
    name = _database(arguments)
    if name == "reject":
        say("exim_dumpdb", "what was refused is in the journal: `estafeta stats`, `estafeta journal show`.")
        return 0
    with opened(home) as (desk, _):
        for state in desk.states(limit=_SHOWN):
            one = state.destination
            if name != "retry":
                idents = [message.ident for message in islice(desk.messages(Choice(destination=one.hop)), 50)]
                if idents:
                    print(f"{one.hop} {' '.join(idents)}")
            elif one.failures:
                late = " *" if desk.has_expired(state) else ""
                print(f"  T:{one.hop} {printable(one.error)}")
                times = (one.first_failed_ms, one.last_tried_ms, desk.retry_ms(state) or desk.now_ms())
                print(f"{'  '.join(map(exim_moment, times))}{late}")
    return 0


def exim_tidydb(home: "Home", arguments: Sequence[str]) -> int:
    """Forget destinations where nothing waits and that were not tried for so long: -t 7d; without it 30 days."""
    found, words = options(arguments, "t:")
    _database(words)
    with opened(home) as (desk, _):
        gone = desk.forget_older(parse_moment(dict(found).get("-t", "30d"), desk.now_ms() / 1000))
    print(f"{gone} removed")
    return 0


def exim_fixdb(home: "Home", arguments: Sequence[str]) -> int:
    """Name a destination to see what is remembered of it; then `4 yymmdd:hhmm` (or +2h) for the next try, `d` to
    forget it."""
    _database(arguments)
    with opened(home) as (desk, _):
        current = ""
        while line := _ask():
            word, _, value = line.strip().partition(" ")
            try:
                current = _fix(desk, current, word, value.strip())
            except (EstafetaError, UsageError) as error:
                print(getattr(error, "public", str(error)))
    return 0


def _ask() -> str:
    if sys.stdin.isatty():
        print("> ", end="", flush=True)
    return sys.stdin.readline()


def _fix(desk: Desk, current: str, word: str, value: str) -> str:
    """Do one line; returns the destination that the next is about."""
    if not word:
        return current
    if word == "d" and current:
        desk.change_destinations(DestinationAction.FORGET, [current])
        print("deleted")
        return ""
    if word in ("0", "1", "2", "3", "4", "5") and current:
        if word != "4":
            raise UsageError("only the next try can be changed: 4 yymmdd:hhmm")
        desk.change_destinations(DestinationAction.NEXT_TRY, [current], parse_ahead(value, desk.now_ms()))
    else:
        current = desk.find_hops(word.removeprefix("T:"))[0]
    [state] = desk.states(current)
    one, retry_ms = state.destination, desk.retry_ms(state)
    for number, (name, shown) in enumerate(
        (
            ("error:", printable(one.error)),
            ("waiting:", str(state.waiting)),
            ("first failed:", exim_moment(one.first_failed_ms) if one.first_failed_ms else "no"),
            ("last try:", exim_moment(one.last_tried_ms) if one.last_tried_ms else "never"),
            ("next try:", exim_moment(retry_ms) if retry_ms else "at once"),
            ("expired:", "yes" if desk.has_expired(state) else "no"),
        )
    ):
        print(f"{number} {name:<13} {shown}")
    return current


def _database(words: Sequence[str]) -> str:
    """The name of the database that is meant: the last word."""
    name = words[-1] if words else ""
    if name not in _KNOWN:
        raise UsageError(f"usage: SPOOL-DIRECTORY {' | '.join(_KNOWN)}")
    return name
