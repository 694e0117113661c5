"""Milters: each is told the whole session when the message is complete, sees what those before it changed, and says
what is to be done.

Asked one after the other in the order of the settings, until one refuses or drops the message. What they do to the
header is in what is stored (`edited_header`), beneath our own trace fields; the rest stays as it is.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import NamedTuple

from estafeta.directory.settings_milters import MilterRule, parse_milter
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_scanners import AskedOf, Place
from estafeta.mail.address import Address
from estafeta.mail.headeredits import HeaderEditor, split_fields
from estafeta.policy.authentication import name_of
from estafeta.policy.chain import who_is
from estafeta.policy.checks import Who
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.forged import honest_header
from estafeta.policy.scanners.asking import Absent, Asker, judge_absent
from estafeta.policy.scanners.wire import Wire, open_wire, read_pieces
from estafeta.policy.verdict import Verdict, deferred, discarded, passed, quarantined, rejected
from estafeta.protocols.milter.client import MilterClient
from estafeta.protocols.milter.values import Change, Fate, Outcome, Stage, Told
from estafeta.protocols.milter.words import CHUNK_OCTETS, Actions

# Bodies that are in memory need no thread.
_INLINE_BYTES = 256 << 10
_DOES = {
    Actions.ADD_HEADERS: "add fields",
    Actions.CHANGE_HEADERS: "change fields",
    Actions.QUARANTINE: "have mail held",
}
#: Of whom scanners are asked.
WHO = {
    AskedOf.STRANGERS: Who.STRANGERS,
    AskedOf.USERS: Who.USERS | Who.NETWORKS,
    AskedOf.ALL: Who.EVERYBODY,
}


class Said(NamedTuple):
    """What one milter said."""

    rule: MilterRule
    outcome: Outcome | Absent


class Milted(NamedTuple):
    """What all of them said, and the header section as they left it; None where they did not change it."""

    said: tuple[Said, ...]
    header: bytes | None


async def find_outcomes(asker: Asker, hostname: str, facts: Facts, settings: Settings) -> Milted:
    """Ask those that are for this client."""
    content = facts.content
    assert content is not None
    shown = header = honest_header(content.header, facts, settings, hostname)
    said: list[Said] = []
    for rule in map(parse_milter, settings.milters.server_rules):
        if who_is(facts) not in WHO[rule.asked_of]:
            continue
        told = _told(facts, header, hostname)
        question = partial(consult, rule.place, told, content)
        outcome = await asker.ask(f"milter {rule.place}", str(rule.place), rule.seconds, question)
        said.append(Said(rule, outcome))
        if isinstance(outcome, Outcome):
            if outcome.fate is not Fate.ACCEPT:
                break
            header = _changed(header, outcome.changes)
    return Milted(tuple(said), None if header is shown else header)


async def consult(place: Place, told: Told, content: Content | None) -> Outcome:
    """Tell one milter of a message, and hear what it says. Raises OSError, AnswerError."""
    async with open_wire(place) as wire:
        machine = MilterClient(told)
        body = _chunks(content)
        while machine.outcome is None:
            await _step(wire, machine, body)
        await wire.send(machine.quit())
        return machine.outcome


async def agree(place: Place) -> str:
    """What a milter may do, in words, agreed on without telling it of a message. Raises OSError, AnswerError."""
    async with open_wire(place) as wire:
        machine = MilterClient(Told("localhost", "", "localhost", "", (), (), {}))
        await wire.send(machine.take_output())
        while machine.agreed is None:
            machine.feed(await wire.read())
        await wire.send(machine.quit())
        done = [words for flag, words in _DOES.items() if flag in machine.agreed]
        return ", ".join(done) or "decide"


async def _step(wire: Wire, machine: MilterClient, body: AsyncIterator[bytes]) -> None:
    output = machine.take_output()
    if output:
        await wire.send(output)
    if not machine.wants_body:
        machine.feed(await wire.read())
    elif piece := await anext(body, b""):
        machine.put_body(piece)
    else:
        machine.end_body()


async def _chunks(content: Content | None) -> AsyncIterator[bytes]:
    if content is None:
        return
    async for piece in read_pieces(content.pieces(), aside=content.size > _INLINE_BYTES):
        for start in range(0, len(piece), CHUNK_OCTETS):
            yield piece[start : start + CHUNK_OCTETS]


def _changed(header: bytes, changes: Sequence[Change]) -> bytes:
    if not changes:
        return header
    editor = HeaderEditor(header)
    for change in changes:
        if change.what == "add":
            editor.add(change.name, change.value)
        elif change.what == "insert":
            # Our Received field counts as the first; it is written above all of these.
            editor.insert(change.place - 1, change.name, change.value)
        else:
            editor.change(change.place, change.name, change.value)
    return editor.header()


def edited_header(facts: Facts) -> bytes | None:
    """The header section as milters left it; None where they changed nothing."""
    found = facts.found.get("milters")
    return found.header if isinstance(found, Milted) else None


def judge_outcomes(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """One verdict for each that was asked."""
    found = facts.found.get("milters")
    return [_verdict(one) for one in found.said] if isinstance(found, Milted) else ()


def _verdict(said: Said) -> Verdict:
    name, outcome = f"milter {said.rule.place}", said.outcome
    if isinstance(outcome, Absent):
        return judge_absent(name, outcome, said.rule.away)
    words = f"{name}: {outcome.text}" if outcome.text else name
    match outcome.fate:
        case Fate.REJECT:
            text, code, enhanced = outcome.text or "The message is not wanted here", outcome.code, outcome.enhanced
            return rejected(text, f"{words} (refused)", code or 550, enhanced or "5.7.1")
        case Fate.TEMPFAIL:
            text, code, enhanced = outcome.text or "Try again later", outcome.code, outcome.enhanced
            return deferred(text, f"{words} (put off)", code or 451, enhanced or "4.7.1")
        case Fate.DISCARD:
            return discarded(f"{words} (dropped)")
    if outcome.quarantine:
        return quarantined(f"{name}: {outcome.quarantine}", "milter")
    count = len(outcome.changes)
    return passed(f"{name} took it" + (f", with {count} change{'s' * (count > 1)} of the header" if count else ""))


# What it is told


def _told(facts: Facts, header: bytes, hostname: str) -> Told:
    name = name_of(facts)
    literal = f"[{facts.peer}]" if facts.peer != "local" else "localhost"
    host = (name.name if name is not None else "") or literal
    return Told(
        host=host,
        address="" if facts.peer == "local" else facts.peer.partition("%")[0],
        helo=facts.helo,
        sender=str(facts.sender or ""),
        recipients=tuple((str(address), _place_macros("rcpt", address)) for address, _ in facts.recipients),
        fields=tuple(split_fields(header)),
        macros=_macros(facts, hostname, host),
        parameters=_parameters(facts),
    )


def _parameters(facts: Facts) -> tuple[str, ...]:
    size = (f"SIZE={facts.declared_size}",) if facts.declared_size else ()
    return (*size, "SMTPUTF8") if facts.smtputf8 else size


def _macros(facts: Facts, hostname: str, host: str) -> dict[Stage, dict[str, str]]:
    """Those that Postfix and sendmail tell, as far as they are known. `i` is made for this message, since its own ident
    is given later; `{auth_type}` says only that there was a sign-in, which filters want to know."""
    connect = {"j": hostname, "{daemon_name}": str(facts.mode), "v": "Estafeta", "_": f"{host} [{facts.peer}]"}
    connect |= {"{client_addr}": facts.peer, "{client_name}": host}
    mail = {"i": secrets.token_hex(6), **_place_macros("mail", facts.sender)}
    if facts.account is not None:
        mail |= {"{auth_authen}": facts.account.address, "{auth_type}": "SASL"}
    message = {"i": mail["i"]}
    return {
        Stage.CONNECT: connect,
        Stage.MAIL: mail,
        Stage.RCPT: message,
        Stage.DATA: message,
        Stage.END_OF_HEADER: message,
        Stage.END: message,
    }


def _place_macros(kind: str, address: Address | None) -> dict[str, str]:
    known = {f"{{{kind}_addr}}": str(address or ""), f"{{{kind}_mailer}}": "local" if kind == "rcpt" else "smtp"}
    return known | ({f"{{{kind}_host}}": address.domain} if address is not None else {})
