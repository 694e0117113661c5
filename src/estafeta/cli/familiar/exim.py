"""`exim`: its options about the queue and its dry runs; everything else is sendmail's.

-bp -bpc -bpr -bpu list; -q goes by the times of retry, as the server does by itself; -qf all now, -qff the frozen, too;
-R and -S those with that in a recipient or the sender; -M and its kin single messages. Not there: -Mar, -Mes, -Meb,
which change a message.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from estafeta.app.queueing import Desk, Message, State
from estafeta.cli.familiar.postfix import EVERYTHING, retry_messages, write_octets
from estafeta.cli.familiar.programs import UsageError, opened, say
from estafeta.cli.queuechoice import parse_ident
from estafeta.cli.queuewords import age
from estafeta.core.errors import EstafetaError, Kind
from estafeta.journal.words import printable
from estafeta.queue.choosing import Choice
from estafeta.queue.operating import Action

if TYPE_CHECKING:
    from estafeta.app.home import Home
    from estafeta.app.stores import Site

_NOT_FOUND = 1


def exim(home: "Home", arguments: Sequence[str]) -> int:
    """Do what the first option says that is about the queue; send where there is none."""
    words = list(arguments)
    for place, word in enumerate(words):
        rest = words[place + 1 :]
        if word.startswith("-bp"):
            return _list(home, word)
        if word.startswith("-q"):
            return _run_queue(home, word)
        if word[:2] in ("-R", "-S"):
            return _run_some(home, word, rest)
        if word.startswith("-M"):
            return _messages(home, word, rest)
        if word in ("-bt", "-brw"):
            return _dry_run(home, word, rest)
        if word == "-bV":
            return _version()
        if word == "--" or not word.startswith("-"):
            break
    from estafeta.app.sendmail.run import main

    return main(home, words, stdin=sys.stdin.buffer, stdout=sys.stdout.buffer)


# The whole queue


def _list(home: "Home", word: str) -> int:
    with opened(home) as (desk, _):
        if word == "-bpc":
            print(desk.count_found(EVERYTHING)[1])
            return 0
        for message in desk.messages(EVERYTHING):
            sys.stdout.write(_block(message, desk.now_ms()))
    return 0


def _block(message: Message, now_ms: int) -> str:
    first = message.first
    frozen = " *** frozen ***" if all(one.state is State.HELD for one in message.waiting) else ""
    front = f"{age(now_ms - first.created_ms):>3} {_size(first.size):>5} {message.ident} <{printable(first.sender)}>"
    return f"{front}{frozen}\n" + "".join(f"{'':10}{printable(o.queued.address)}\n" for o in message.waiting) + "\n"


def _size(octets: int) -> str:
    """In five letters at most."""
    if octets < 1024:
        return str(octets)
    for unit in "KM":
        number = octets / (1024 if unit == "K" else 1 << 20)
        if number < 1000:
            return f"{number:.1f}{unit}" if number < 10 else f"{number:.0f}{unit}"
    return f"{octets / (1 << 30):.1f}G"


def _run_queue(home: "Home", word: str) -> int:
    flags = word[2:]
    if flags.strip("qfi") or flags.lstrip("q").count("f") > 2:
        raise UsageError(f"{word} is not supported: the server tries by itself; -qf tries all now.")
    with opened(home) as (desk, _):
        if "ff" in flags:
            desk.change(Action.RELEASE, EVERYTHING)
        if "f" in flags:
            desk.retry(EVERYTHING)
    return 0


def _run_some(home: "Home", word: str, rest: Sequence[str]) -> int:
    flags = word[2:]
    text, flags = (rest[0], flags) if flags in ("", "f", "ff") and rest else (flags, "")
    if not text or text in ("f", "ff"):
        raise UsageError(f"{word} wants a part of an address.")
    pattern = f"*{text}*"
    choice = Choice(recipient=pattern) if word.startswith("-R") else Choice(sender=pattern)
    with opened(home) as (desk, _):
        if flags == "ff":
            desk.change(Action.RELEASE, choice)
        desk.retry(choice)
    return 0


# Single messages


def _messages(home: "Home", word: str, rest: Sequence[str]) -> int:
    if not rest:
        raise UsageError(f"{word} wants the id of a message.")
    act = _ACTS.get(word)
    if act is None and word not in ("-Mvh", "-Mvb", "-Mvc", "-Mvl", "-Mmd"):
        raise UsageError(f"{word} is not supported.")
    status = 0
    with opened(home) as (desk, site):
        if word == "-Mmd":
            return _mark_delivered(desk, rest)
        for text in rest:
            try:
                message = desk.get(parse_ident(text))
            except EstafetaError as error:
                if error.kind is not Kind.NOT_FOUND:
                    raise
                say("exim", f"Message {text} does not exist")
                status = _NOT_FOUND
                continue
            if act is not None:
                act(desk, message)
            else:
                _show(desk, site, message, word)
    return status


def _deliver(desk: Desk, message: Message) -> None:
    choice = Choice(entry_ids=(message.first.entry_id,))
    desk.change(Action.RELEASE, choice)
    retry_messages(desk, [message.ident])


def _done(action: Action, words: str) -> Callable[[Desk, Message], None]:
    def act(desk: Desk, message: Message) -> None:
        changed = desk.change(action, Choice(entry_ids=(message.first.entry_id,)))
        already = {Action.HOLD: "is already frozen", Action.RELEASE: "is not frozen"}
        print(f"Message {message.ident} {words if changed else already.get(action, 'has gone meanwhile')}")

    return act


def _nothing(desk: Desk, message: Message) -> None:
    """-Mc: deliver it by the times of retry, which the server does by itself."""


_ACTS: dict[str, Callable[[Desk, Message], None]] = {
    "-M": _deliver,
    "-Mc": _nothing,
    "-Mrm": _done(Action.REMOVE, "has been removed"),
    "-Mf": _done(Action.HOLD, "is now frozen"),
    "-Mt": _done(Action.RELEASE, "is no longer frozen"),
    "-Mg": _done(Action.BOUNCE, "will be returned to its sender"),
    "-Mmad": _done(Action.REMOVE, "has been marked as delivered to all its recipients"),
}


def _mark_delivered(desk: Desk, rest: Sequence[str]) -> int:
    ident, *addresses = rest
    message = desk.get(parse_ident(ident))
    if not addresses:
        raise UsageError("-Mmd wants the id of a message and addresses.")
    status = 0
    for address in addresses:
        changed = desk.change(Action.REMOVE, Choice(entry_ids=(message.first.entry_id,), recipient=address))
        words = "has been marked as delivered" if changed else "is no recipient of it that waits"
        print(f"Message {message.ident}: {address} {words}")
        status = status if changed else _NOT_FOUND
    return status


def _show(desk: Desk, site: "Site", message: Message, word: str) -> None:
    if word == "-Mvl":
        from estafeta.cli.storytelling import Teller
        from estafeta.journal.reading import read_records
        from estafeta.journal.story import summarize

        if records := read_records(site.database, message.first.entry_id):
            Teller(site.database).tell(summarize(records))
        return
    header, _, body = desk.content(message).partition(b"\r\n\r\n")
    if word == "-Mvc":
        write_octets((header + b"\r\n\r\n" + body).replace(b"\r\n", b"\n"))
        return
    front = _envelope(message) if word == "-Mvh" else [f"{message.ident}-D"]
    text = header + b"\r\n" if word == "-Mvh" else body
    write_octets("".join(f"{line}\n" for line in front).encode() + text.replace(b"\r\n", b"\n"))


def _envelope(message: Message) -> list[str]:
    recipients = [printable(one.queued.address) for one in message.waiting]
    first = message.first
    front = [f"{message.ident}-H", f"<{printable(first.sender)}>", f"{first.created_ms // 1000} {first.size}"]
    return [*front, str(len(recipients)), *recipients, ""]


# Dry runs


def _dry_run(home: "Home", word: str, rest: Sequence[str]) -> int:
    """-bt: where addresses go; -brw: what becomes of them."""
    from estafeta.app.routestory import Storyteller

    status = 0
    with opened(home) as (_, site):
        storyteller = Storyteller(site)
        for text in rest:
            if word == "-brw":
                for one in storyteller.rewriter.explain(site.directory.qualify(text)):
                    print(f"{one.field.name.lower():>14}: {one.address}")
                continue
            for leg in storyteller.tell(text).legs:
                print(leg.address)
                print(f"    {leg.refusal or leg.where}")
                status = max(status, int(leg.where == "refused"))
    return status


def _version() -> int:
    from estafeta import __version__

    with suppress(BrokenPipeError):
        print(f"Exim as spoken by Estafeta {__version__}")
    return 0
