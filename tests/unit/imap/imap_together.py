r"""Sessions of several clients in one text, step by step, against the real service of `imap_house`.

    ann+ SELECT INBOX            a command of ann's session (its tag is made up); it has to succeed, and that is all
    ann> 1 NOOP                  a line that ann's client sends
    ann< 1 OK NOOP completed.    a line that the server must say to ann
    ann* * OK [CAPABILITY        a line to ann that begins like this
    bob2> 1 NOOP                 another session of bob
    ann< * A long line \         is one with the next

A session begins with the first line that names it. Lines of one client that follow each other are one step: what is
sent goes out together, all that the server says has to be there, and nothing else. UIDVALIDITY, the second of a
mailbox's making, is V in what the server says; `{V}` in what a client sends is that of ann's INBOX.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from imap_house import House, Wire, send_lines

from estafeta.mailboxes import look

_LINE = re.compile(r"(\w+)([+><*]) ?(.*)")
_JOINED = re.compile(r"\\\n +")
_VALIDITY = re.compile(r"(?<![\w.])1\d{9}(?!\w)")
_PATIENCE_SECONDS = 10.0


class _Step:
    """What one client sends together, and what it is told: lines and whether they are whole."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.silent = ""
        self.sent: list[str] = []
        self.expected: list[tuple[str, bool]] = []


async def play_together(house: House, text: str, how: str = "whole") -> None:
    """Run the text. `how`: "whole", "bytes" or "split", as the octets of each step are sent."""
    inbox = look.find_mailbox(house.database, house.accounts["ann"], "INBOX")
    text = text.replace("{V}", str(inbox.uid_validity if inbox else 0))
    wires: dict[str, Wire] = {}
    for step in _steps(text):
        if step.name not in wires:
            wires[step.name] = await house.sign_in(step.name.rstrip("0123456789"))
            wires[step.name].said.clear()
        wire = wires[step.name]
        if step.silent:
            assert b"t OK" in await house.ask(wire, step.silent), step.silent
        else:
            await send_lines(wire, "".join(f"{line}\r\n" for line in step.sent).encode(), how)
            await _compare(wire, step.expected)
    for wire in wires.values():
        wire.close()


async def _compare(wire: Wire, expected: Sequence[tuple[str, bool]]) -> None:
    """Every line that is expected is said, in this order, and none else."""
    last = expected[-1][0] if expected else ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while last not in _plain(wire) and not wire.closed:
                wire.spoke.clear()
                await wire.spoke.wait()
    said = _plain(wire).split("\r\n")[:-1]
    wire.said.clear()
    everything = "\n".join(said)
    for at, (wanted, whole) in enumerate(expected):
        assert at < len(said), f"missing: {wanted!r} in\n{everything}"
        matches = said[at] == wanted if whole else said[at].startswith(wanted)
        assert matches, f"expected {wanted!r}, said {said[at]!r} in\n{everything}"
    assert len(said) == len(expected), f"more than expected: {said[len(expected) :]}"


def _plain(wire: Wire) -> str:
    return _VALIDITY.sub("V", wire.said.decode("utf-8", "replace"))


def _steps(text: str) -> Iterator[_Step]:
    text = _JOINED.sub("", text)
    lines = [match for line in text.splitlines() if (match := _LINE.fullmatch(line.lstrip()))]
    for name, own in groupby(lines, key=lambda match: match[1]):
        yield from _steps_of(name, list(own))


def _steps_of(name: str, lines: Sequence[re.Match[str]]) -> Iterator[_Step]:
    step = _Step(name)
    for _, kind, said in (line.groups() for line in lines):
        if step.silent or (kind in "+>" and step.expected) or (kind == "+" and step.sent):
            yield step
            step = _Step(name)
        if kind == "+":
            step.silent = said
        elif kind == ">":
            step.sent.append(said)
        else:
            step.expected.append((said, kind == "<"))
    yield step
