"""`mailq`, `postqueue`, `postsuper`, `postcat` and `newaliases` as Postfix has them, and `sendmail -bp`, `-q`.

Departures: an ident is the same in all queues, so messages are told apart by how they wait: `hold`, `active` (due, or
being sent) and `deferred`; an ALL must be in capitals, as there, and asks nothing. `postsuper -s` and `-p` have nothing
to do: `estafeta store verify` looks after what they do.
"""

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from estafeta.app.queueing import Desk, Message, State
from estafeta.cli.familiar.programs import UsageError, opened, options, say
from estafeta.cli.queuechoice import parse_ident
from estafeta.cli.queuewords import many
from estafeta.journal.words import printable
from estafeta.queue.choosing import Choice
from estafeta.queue.operating import Action
from estafeta.queue.values import Place

if TYPE_CHECKING:
    from estafeta.app.home import Home

EVERYTHING = Choice(everything=True)
_QUEUES = ("hold", "incoming", "active", "deferred")
_PORTION = 500
_NULL_SENDER = "MAILER-DAEMON"


# mailq, postqueue


def mailq(home: "Home", arguments: Sequence[str]) -> int:
    """List the queue; options are taken, and mean nothing."""
    with opened(home) as (desk, _):
        list_queue(desk)
    return 0


def postqueue(home: "Home", arguments: Sequence[str]) -> int:
    """postqueue(1): one of -p -j -f -i -s."""
    found, rest = options(arguments, "c:fi:jps:v")
    wanted = [(option, value) for option, value in found if option not in ("-c", "-v")]
    if len(wanted) != 1 or rest:
        raise UsageError(
            "usage: postqueue -f | postqueue -i queue_id | postqueue -j | postqueue -p | postqueue -s site"
        )
    [(option, value)] = wanted
    with opened(home) as (desk, _):
        match option:
            case "-p":
                list_queue(desk)
            case "-j":
                for message in desk.messages(EVERYTHING):
                    sys.stdout.write(json.dumps(_as_json(message), ensure_ascii=False) + "\n")
            case "-f":
                desk.retry(EVERYTHING)
            case "-i":
                retry_messages(desk, [value])
            case "-s":
                desk.retry(Choice(domain=value.strip("[]")))
    return 0


def list_queue(desk: Desk) -> None:
    """As Postfix prints it for long queue ids."""
    write = sys.stdout.write
    count = octets = 0
    for message in desk.messages(EVERYTHING):
        if not count:
            write(_row("----Queue ID-----", "--Size--", "---Arrival Time----", "--Sender/Recipient------"))
        else:
            write("\n")
        count += 1
        octets += message.first.size
        _list_message(message)
    write(f"\n-- {octets // 1024} Kbytes in {many(count, 'Request')}.\n" if count else "Mail queue is empty\n")


def _list_message(message: Message) -> None:
    first, write = message.first, sys.stdout.write
    mark = {"active": "*", "hold": "!"}.get(queue_of(message), "")
    mark += "#" if any(one.state is State.GIVEN_UP for one in message.waiting) else ""
    sender = printable(first.sender) or _NULL_SENDER
    write(_row(f"{message.ident}{mark}", str(first.size), _day(first.created_ms), sender))
    before = ""
    for waits in message.waiting:
        if waits.reason != before:
            before = waits.reason
            reason = f"({printable(before) or 'reason unavailable'})"
            write(f"{reason:>78}\n")
        write(_row("", "", "", printable(waits.queued.address)))


def _row(ident: str, size: str, arrival: str, address: str) -> str:
    return f"{ident:<17} {size:>8} {arrival:<19} {address}\n"


def queue_of(message: Message) -> str:
    """In which of Postfix's queues it would be."""
    found = {waits.state for waits in message.waiting}
    if found == {State.HELD}:
        return "hold"
    return "active" if found & {State.ACTIVE, State.DUE} else "deferred"


def _as_json(message: Message) -> dict[str, Any]:
    recipients = []
    for waits in message.waiting:
        one = {"address": waits.queued.address}
        recipients.append(one | {"delay_reason": waits.reason} if waits.reason else one)
    return {
        "queue_name": queue_of(message),
        "queue_id": message.ident,
        "arrival_time": message.first.created_ms // 1000,
        "message_size": message.first.size,
        "forced_expire": any(one.state is State.GIVEN_UP for one in message.waiting),
        "sender": message.first.sender or _NULL_SENDER,
        "recipients": recipients,
    }


def retry_messages(desk: Desk, idents: Sequence[str]) -> None:
    """Have these tried now. EstafetaError NOT_FOUND."""
    choice = Choice(entry_ids=tuple(map(parse_ident, idents)))
    desk.count(choice)
    desk.retry(choice)


# postsuper


class _Order(NamedTuple):
    """An option of postsuper: what it does, and how that is called when it is done."""

    action: Action | None
    done: str


_ORDERS = {
    "-d": _Order(Action.REMOVE, "Deleted"),
    "-h": _Order(Action.HOLD, "Placed on hold"),
    "-H": _Order(Action.RELEASE, "Released from hold"),
    "-r": _Order(None, "Requeued"),
    "-e": _Order(Action.BOUNCE, "Force-expired"),
    "-f": _Order(Action.BOUNCE, "Force-expired"),
}


def postsuper(home: "Home", arguments: Sequence[str]) -> int:
    """postsuper(1): -d -h -H -r -e -f with an id, - for ids on standard input, or ALL; then names of queues."""
    found, queues = options(arguments, "c:d:e:f:h:H:pr:sSv")
    if unknown := [one for one in queues if one not in _QUEUES]:
        raise UsageError(f"{unknown[0]!r} is no queue: {', '.join(_QUEUES)}.")
    orders = [(_ORDERS[option], value) for option, value in found if option in _ORDERS]
    if not orders:
        say("postsuper", "nothing to mend here: `estafeta store verify` checks the queue.")
        return 0
    with opened(home) as (desk, _):
        for order, value in orders:
            done = sum(_carry_out(desk, order, choice, queues) for choice in _meant(value))
            if done:
                say("postsuper", f"{order.done}: {many(done, 'message')}")
    return 0


def _meant(value: str) -> Iterator[Choice]:
    """ALL, an id, or the ids on standard input, in portions."""
    if value == "ALL":
        yield EVERYTHING
    elif value == "-":
        words = (word for line in sys.stdin for word in line.split()[:1])
        while idents := tuple(map(parse_ident, islice(words, _PORTION))):
            yield Choice(entry_ids=idents)
    elif value.lower() == "all":
        raise UsageError("write ALL in capitals if you mean everything.")
    else:
        yield Choice(entry_ids=(parse_ident(value),))


def _carry_out(desk: Desk, order: _Order, choice: Choice, queues: Sequence[str]) -> int:
    """Do it to the messages that are there and in one of the queues; returns how many they are."""
    if order.action is None and not queues:
        concerned = desk.count_found(choice)[1]
        desk.requeue(choice)
        return concerned
    found = desk.messages(choice)
    wanted = (one for one in found if (not queues or queue_of(one) in _widened(queues)) and _concerns(order, one))
    count = 0
    while messages := list(islice(wanted, _PORTION)):
        count += len(messages)
        if order.action is None:
            desk.requeue(Choice(entry_ids=tuple(message.first.entry_id for message in messages)))
            continue
        desk.change_places(order.action, [tuple(_places(messages))])
    return count


def _widened(queues: Sequence[str]) -> set[str]:
    return {*queues, *(("active",) if "incoming" in queues else ())}


def _concerns(order: _Order, message: Message) -> bool:
    held = any(one.state is State.HELD for one in message.waiting)
    free = any(one.state is not State.HELD for one in message.waiting)
    return free if order.action is Action.HOLD else held if order.action is Action.RELEASE else True


def _places(messages: Sequence[Message]) -> Iterator[Place]:
    return (one.queued.place for message in messages for one in message.waiting)


# postcat, newaliases


def postcat(home: "Home", arguments: Sequence[str]) -> int:
    """postcat(1) -q: envelope, header and body of messages that wait; -e, -h, -b only those."""
    found, idents = options(arguments, "bc:dehnoqrsv")
    parts = {option for option, _ in found} & {"-b", "-e", "-h"} or {"-b", "-e", "-h"}
    if not idents:
        raise UsageError("usage: postcat [-e] [-h] [-b] -q queue_id...")
    with opened(home) as (desk, _):
        for ident in idents:
            _show(desk, desk.get(parse_ident(ident)), parts, alone="-e" not in parts)
    return 0


def _show(desk: Desk, message: Message, parts: set[str], *, alone: bool) -> None:
    """`alone`: the content only, without lines between its parts."""
    lines: list[bytes] = []
    name = f"{queue_of(message)}/{message.ident}"
    if "-e" in parts:
        lines += [line.encode() for line in _envelope(message, name)]
    header, middle, body = desk.content(message).partition(b"\r\n\r\n")
    if not alone:
        lines.append(f"*** MESSAGE CONTENTS {name} ***".encode())
    if "-h" in parts:
        lines += header.split(b"\r\n")
    if "-h" in parts and "-b" in parts and middle:
        lines.append(b"")
    if "-b" in parts:
        lines += body.removesuffix(b"\r\n").split(b"\r\n")
    if not alone:
        lines += [f"*** HEADER EXTRACTED {name} ***".encode(), f"*** MESSAGE FILE END {name} ***".encode()]
    write_octets(b"\n".join(lines) + b"\n")


def write_octets(octets: bytes) -> None:
    """To standard output; a terminal gets nothing that steers it."""
    if sys.stdout.isatty():
        octets = re.sub(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", b"?", octets)
    sys.stdout.flush()
    sys.stdout.buffer.write(octets)
    sys.stdout.buffer.flush()


def _envelope(message: Message, name: str) -> Iterator[str]:
    first = message.first
    yield f"*** ENVELOPE RECORDS {name} ***"
    yield f"message_size: {first.size:>15}"
    yield f"message_arrival_time: {time.ctime(first.created_ms / 1000)}"
    yield f"sender: {printable(first.sender)}"
    for waits in message.waiting:
        yield f"recipient: {printable(waits.queued.address)}"


def newaliases(home: "Home", arguments: Sequence[str]) -> int:
    """There is nothing to build."""
    say("newaliases", "nothing to do: aliases are in the directory (`estafeta alias`) and count at once.")
    return 0


# sendmail


def sendmail_queue(home: "Home", arguments: Sequence[str]) -> int:
    """`sendmail -bp`; `-q` all now; `-qI`, `-qR`, `-qS` what has that in its id, a recipient, its sender."""
    words = list(arguments)
    if any(word == "-bp" for word in words):
        return mailq(home, words)
    place = next(number for number, word in enumerate(words) if word.startswith("-q"))
    kind, text = words[place][2:3], words[place][3:] or "".join(words[place + 1 : place + 2])
    with opened(home) as (desk, _):
        match kind:
            case "" | "f":
                desk.retry(EVERYTHING)
            case "I":
                retry_messages(desk, [text])
            case "R" | "S" if text:
                pattern = text if kind == "S" and text == "<>" else f"*{text.strip('<>')}*"
                desk.retry(Choice(recipient=pattern) if kind == "R" else Choice(sender=pattern))
            case _:
                raise UsageError(
                    f"{words[place]} is not supported: the server tries by itself; -q tries all now, -qI, -qR and -qS"
                    " some of it."
                )
    return 0


def _day(ms: int) -> str:
    return time.ctime(ms / 1000)[:19]
