"""Records in words: what one record says, as a sentence that a person can read without knowing the codes.

The sentence has the time in front where it is shown, and no full stop. What other machines said is quoted as they said
it, with everything that could play tricks on a terminal made visible.
"""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from estafeta.journal.reading import Entry
from estafeta.journal.records import Code

Names = Callable[[int, int], str]
"""What account and mailbox are called, as in `INBOX of anna@example.org`; empty where nobody knows."""

Clock = Callable[[int], str]
"""A moment (epoch milliseconds) as it is shown."""

_MINUTE = 60.0
_HOUR = 3600.0
_DAY = 86_400.0


class Tone(StrEnum):
    """How a sentence is meant."""

    PLAIN = "plain"
    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"


class Telling(NamedTuple):
    """What sentences need besides the record: names of mailboxes, how times are shown, when the message came."""

    names: Names = lambda account_id, mailbox_id: ""
    clock: Clock = lambda ms: moment(ms)
    came_us: int = 0


def tell(entry: Entry, telling: Telling | None = None) -> tuple[Tone, str]:
    """One record as a sentence."""
    tone, make = _SENTENCES.get(entry.code, (Tone.PLAIN, _unknown))
    return tone, printable(make(entry, telling or Telling()))


def printable(text: str) -> str:
    """Nothing in it moves a cursor, changes a direction of writing or begins a line."""
    text = " / ".join(text.splitlines()) if len(text.splitlines()) > 1 else text.rstrip("\r\n")
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)


def duration(seconds: float) -> str:
    """`0.3 s`, `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    big, small, names = (_DAY, _HOUR, "d h") if seconds >= _DAY else (_HOUR, _MINUTE, "h min")
    first, second = names.split()
    whole, rest = divmod(seconds, big)
    return f"{whole:.0f} {first}" + (f" {rest // small:.0f} {second}" if rest >= small else "")


def size(octets: float) -> str:
    """`812 octets`, `4.2 KiB`, `3.1 MiB`."""
    if octets < 1024:
        return f"{octets:.0f} octets"
    for unit in ("KiB", "MiB", "GiB"):
        octets /= 1024
        if octets < 1024:
            return f"{octets:.1f} {unit}"
    return f"{octets / 1024:.1f} TiB"


def moment(ms: int) -> str:
    """`2026-03-01 12:00:05` in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ms / 1000))


def hop(key: str) -> str:
    """A next hop (`mx:example.org`) in words."""
    kind, _, name = key.partition(":")
    forms = {
        "mx": "the mail exchangers of {}",
        "host": "the host {}",
        "lmtp": "{} by LMTP",
        "list": "the list {}",
        "local": "this server, when its time has come",
    }
    return forms.get(kind, "{}").format(name.removesuffix(":0")) if name else key


def _received(entry: Entry, telling: Telling) -> str:
    login = entry.detail.get("login")
    parts = [f"received from {entry.peer or 'a program here'}", f"signed in as {login}" if login else ""]
    parts += [f"by {entry.text}" if entry.text else "", _tls(entry.detail), size(entry.size)]
    parts.append(_spent(entry.detail))
    if release := entry.detail.get("release_ms"):
        parts.append(f"to be sent not before {telling.clock(int(release))}")
    return ", ".join(filter(None, parts))


def _refused(what: str) -> "Callable[[Entry, Telling], str]":
    def make(entry: Entry, telling: Telling) -> str:
        sender = str(entry.detail.get("sender") or "")
        who = f"{_about(' for ', entry.address)}{_about(' from ', entry.peer)}{_about(', sent by ', sender)}"
        return f"{what}{who}{_because(entry)}"

    return make


def _queued(entry: Entry, telling: Telling) -> str:
    where = entry.detail.get("hop", "")
    if str(where).startswith("local:"):
        return f"kept here{_about(' for ', entry.address)} until its time comes, or it is released{_because(entry)}"
    return f"queued{_about(' for ', entry.address)}{f', to go to {hop(str(where))}' if where else ''}{_because(entry)}"


def _filed(entry: Entry, telling: Telling) -> str:
    place = _place(entry.detail, telling.names)
    return f"filed{_about(' for ', entry.address)}{f' in {place}' if place else ''}{_because(entry)}"


def _not_filed(entry: Entry, telling: Telling) -> str:
    return f"could not be filed{_about(' for ', entry.address)}{_because(entry)}"


def _resolved(entry: Entry, telling: Telling) -> str:
    if child := entry.detail.get("child"):
        return f"{entry.address} was looked up anew, and it went on as {child}"
    return f"{entry.address or 'the recipient'} stands for {entry.text or entry.detail.get('hop') or 'nobody'}"


def _made_here(entry: Entry, telling: Telling) -> str:
    of_list = entry.detail.get("list")
    maker = entry.peer or entry.detail.get("who") or (f"the list {of_list}" if of_list else "")
    octets = f", {size(entry.size)}" if entry.size else ""
    return f"made here{_about(' by ', str(maker))}{octets}{_because(entry)}"


def _attempt(entry: Entry, telling: Telling) -> str:
    number = entry.detail.get("attempt")
    what = f"attempt {number}" if number else "attempt"
    return f"{what}{_about(' for ', entry.address)}{_about(' at ', _remote(entry))}{_answer(entry)}{_more(entry)}"


def _sent(entry: Entry, telling: Telling) -> str:
    waited = (entry.at_us - telling.came_us) / 1e6 if telling.came_us else 0.0
    after = f", {duration(waited)} after it came" if waited >= _MINUTE else ""
    to = f"{_about(' for ', entry.address)}{_about(' to ', _remote(entry))}"
    keys = _keys(", signed (DKIM) by ", entry.detail.get("signed"))
    keys += _keys(", sealed (ARC) by ", entry.detail.get("sealed"))
    return f"delivered{to}{_answer(entry)}{_more(entry)}{keys}{after}"


def _given_up(entry: Entry, telling: Telling) -> str:
    return f"given up{_about(' for ', entry.address)}{_at(entry)}{_more(entry)}"


def _put_off(entry: Entry, telling: Telling) -> str:
    then = entry.detail.get("next_ms")
    later = f"; next try {telling.clock(int(then))}" if then else ""
    if entry.message_id < 0:  # of a destination (journal.records)
        return f"{hop(entry.address)} cannot be reached{_at(entry)}{_more(entry)}{later}"
    return f"put off{_about(' for ', entry.address)}{_at(entry)}{_more(entry)}{later}"


def _lookup(entry: Entry, telling: Telling) -> str:
    return f"could not be looked up in DNS{_about(': ', str(entry.detail.get('hop') or ''))}{_because(entry)}"


def _twice(entry: Entry, telling: Telling) -> str:
    return (
        f"sent{_about(' for ', entry.address)}{_about(' to ', _remote(entry))}, but its answer was lost: it may arrive"
        f" twice{_because(entry)}"
    )


def _notice(what: str) -> "Callable[[Entry, Telling], str]":
    def make(entry: Entry, telling: Telling) -> str:
        ident = entry.detail.get("notice")
        made = f" (message {ident_words(ident)})" if ident else ""
        return f"{what}{_about(' about ', entry.address)}{made}{_because(entry)}"

    return make


def _by(what: str) -> "Callable[[Entry, Telling], str]":
    def make(entry: Entry, telling: Telling) -> str:
        done_by = entry.detail.get("who") or entry.peer
        then = entry.detail.get("next_ms")
        later = f"; next try {telling.clock(int(then))}" if then else ""
        return f"{what}{_about(' for ', entry.address)}{_about(' by ', str(done_by))}{_because(entry)}{later}"

    return make


def _filtered(entry: Entry, telling: Telling) -> str:
    kept = entry.detail.get("kept")
    return f"{'held in quarantine' if kept else 'discarded'}{_about(' for ', entry.address)}{_because(entry)}"


def _read(how: str) -> "Callable[[Entry, Telling], str]":
    def make(entry: Entry, telling: Telling) -> str:
        place = _place(entry.detail, telling.names)
        reader = entry.address or entry.detail.get("who") or "its reader"
        return f"read by {reader} with {how}{f' in {place}' if place else ''}"

    return make


def _list(what: str) -> "Callable[[Entry, Telling], str]":
    def make(entry: Entry, telling: Telling) -> str:
        name = str(entry.detail.get("list") or entry.address)
        about = f"{_about(' ', name)}{_about(': ', entry.address) if entry.address != name else ''}"
        child = entry.detail.get("notice")
        return f"{what}{about}{_because(entry)}{f' (message {ident_words(child)})' if child else ''}"

    return make


def _plain(what: str) -> "Callable[[Entry, Telling], str]":
    def make(entry: Entry, telling: Telling) -> str:
        return f"{what}{_about(' for ', entry.address)}{_because(entry)}{_more(entry)}"

    return make


def _unknown(entry: Entry, telling: Telling) -> str:
    return f"{entry.code}{_about(' ', entry.address)}{_about(' ', entry.peer)}{_because(entry)}"


def ident_words(ident: Any) -> str:
    """An ident as it is written, whether a record has it as a number or in words."""
    return f"{ident:x}" if isinstance(ident, int) else str(ident)


def _about(before: str, what: str) -> str:
    return f"{before}{what}" if what else ""


def _remote(entry: Entry) -> str:
    host = str(entry.detail.get("host") or "")
    return entry.peer or host or (hop(str(entry.detail["hop"])) if entry.detail.get("hop") else "")


def _at(entry: Entry) -> str:
    remote = _remote(entry)
    return f" at {remote}{_answer(entry)}" if remote else _because(entry)


def _answer(entry: Entry) -> str:
    """The remote's own words. A reply begins with its code (RFC 5321 4.2); else it is a reason of ours."""
    if not entry.text:
        return _reason(entry.detail)
    return f': it said "{entry.text}"' if entry.text[:3].isdigit() else f": {entry.text.removesuffix('.')}"


def _because(entry: Entry) -> str:
    return f": {entry.text.removesuffix('.')}" if entry.text else _reason(entry.detail)


def _reason(detail: Mapping[str, Any]) -> str:
    return _about(": ", str(detail.get("reason") or ""))


def _more(entry: Entry) -> str:
    """Which attempt it was, TLS and the time it took, in brackets."""
    number = entry.detail.get("attempt")
    again = f"attempt {number}" if number and number != 1 and entry.code != Code.ATTEMPT else ""
    parts = [one for one in (again, _tls(entry.detail), _spent(entry.detail)) if one]
    return f" ({', '.join(parts)})" if parts else ""


def _tls(detail: Mapping[str, Any]) -> str:
    tls = detail.get("tls")
    return f"encrypted with {tls}" if tls else ""


def _keys(before: str, keys: Any) -> str:
    """A domain and selectors of its keys."""
    domain, *selectors = str(keys or "").split() or [""]
    with_them = f" with {' and '.join(selectors)}" if selectors else ""
    return _about(before, f"{domain}{with_them}")


def _spent(detail: Mapping[str, Any]) -> str:
    seconds = detail.get("seconds")
    return f"in {duration(float(seconds))}" if isinstance(seconds, int | float) else ""


def _place(detail: Mapping[str, Any], names: Names) -> str:
    """`account/mailbox/uid` in words."""
    numbers = str(detail.get("mailbox") or "").split("/")
    if len(numbers) != 3 or not all(one.isdecimal() and len(one) < 20 for one in numbers):
        return ""
    account_id, mailbox_id, uid = map(int, numbers)
    name = names(account_id, mailbox_id) or f"mailbox {mailbox_id} of account {account_id}"
    return f"{name} as message {uid}"


def _checked(entry: Entry, telling: Telling) -> str:
    said = []
    rows = entry.detail.get("checks")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and len(row) in (4, 5):
            name, points, _, reason = row[:4]
            whose = f" for account {row[4]}" if len(row) == 5 else ""
            said.append(f"{reason} ({name}{f' {points:+.1f}' if points else ''}{whose})")
    return f"checked: {entry.text}" + (f": {'; '.join(said)}" if said else "")


_SENTENCES: dict[str, tuple[Tone, Callable[[Entry, Telling], str]]] = {
    Code.RECEIVED_LOCAL: (Tone.PLAIN, _received),
    Code.RECEIVED_RELAY: (Tone.PLAIN, _received),
    Code.CONNECTION_REFUSED: (Tone.BAD, _refused("connection refused")),
    Code.RELAY_REFUSED: (Tone.BAD, _refused("relay refused")),
    Code.REJECTED: (Tone.BAD, _refused("refused")),
    Code.QUEUED: (Tone.WAIT, _queued),
    Code.DELIVERED_LOCAL: (Tone.GOOD, _filed),
    Code.NOT_DELIVERED_LOCAL: (Tone.BAD, _not_filed),
    Code.RESOLVED: (Tone.PLAIN, _resolved),
    Code.MADE_HERE: (Tone.PLAIN, _made_here),
    Code.ATTEMPT: (Tone.PLAIN, _attempt),
    Code.SENT: (Tone.GOOD, _sent),
    Code.UNDELIVERABLE: (Tone.BAD, _given_up),
    Code.RETRY_FIRST: (Tone.WAIT, _put_off),
    Code.RETRY_SECOND: (Tone.WAIT, _put_off),
    Code.READY_AGAIN: (Tone.WAIT, _plain("ready to be tried again")),
    Code.PUT_BACK: (Tone.WAIT, _plain("put back in the queue")),
    Code.LOOKUP_FAILED: (Tone.WAIT, _lookup),
    Code.MAYBE_TWICE: (Tone.BAD, _twice),
    Code.CONFIRMATION: (Tone.PLAIN, _notice("confirmation sent")),
    Code.DELAY_NOTICE: (Tone.WAIT, _notice("notice of delay sent")),
    Code.NONDELIVERY: (Tone.BAD, _notice("notice of non-delivery sent")),
    Code.NO_NOTICE: (Tone.PLAIN, _notice("no notice was sent")),
    Code.HELD: (Tone.WAIT, _by("held")),
    Code.RELEASED: (Tone.PLAIN, _by("released")),
    Code.REMOVED: (Tone.BAD, _by("removed from the queue")),
    Code.BOUNCED: (Tone.BAD, _by("returned to its sender")),
    Code.CHANGED: (Tone.PLAIN, _by("changed")),
    Code.READ_POP: (Tone.GOOD, _read("POP3")),
    Code.READ_IMAP: (Tone.GOOD, _read("IMAP")),
    Code.CHECKED: (Tone.PLAIN, _checked),
    Code.FILTERED: (Tone.BAD, _filtered),
    Code.LIST_EXPANDED: (Tone.GOOD, _list("sent to the members of the list")),
    Code.LIST_HELD: (Tone.WAIT, _list("waits for a moderator of the list")),
    Code.LIST_REFUSED: (Tone.BAD, _list("refused by the list")),
    Code.LIST_COMMAND: (Tone.PLAIN, _list("command to the list")),
    Code.LIST_BOUNCE: (Tone.BAD, _list("came back from a member of the list")),
    Code.SPLIT: (Tone.PLAIN, _plain("split into pieces")),
    Code.JOINED: (Tone.PLAIN, _plain("joined from pieces")),
}
