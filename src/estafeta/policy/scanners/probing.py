"""Whether the scanners of the settings answer: quickly for `estafeta status`, with something to find for
`estafeta policy scanners`.

ClamAV is shown the test file of EICAR, rspamd and SpamAssassin the test line GTUBE, the web hook a letter that says
what it is; with a milter what may be done is agreed on. Nothing of it becomes mail.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from estafeta.directory.model import Resolution, Status
from estafeta.directory.settings_hook import parse_hook_url
from estafeta.directory.settings_milters import parse_milter
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_scanners import Away, Place, parse_place
from estafeta.mail.address import Address
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.scanners import clamav, milters, rspamd, spamassassin
from estafeta.policy.scanners.asking import Absent, Asker
from estafeta.policy.scanners.hook import Hook, Secret
from estafeta.policy.scanners.http import Question, ask
from estafeta.policy.scanners.wire import open_wire
from estafeta.protocols.scanners import clamd, spamd
from estafeta.protocols.scanners.clamd import ClamWord
from estafeta.protocols.scanners.rspamd import PING
from estafeta.protocols.scanners.words import AnswerError, cleaned

#: For `estafeta status`, which a person waits for.
QUICK_SECONDS = 3.0
# In two pieces each, so that no scanner takes this file for what it looks for.
_EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*\r\n"
_GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
_ADDRESS = "postmaster@estafeta.example"
_HEADER = b"From: %b\r\nTo: %b\r\nSubject: Estafeta tests its scanners\r\n" % ((_ADDRESS.encode(),) * 2)
_MOST_PONG = 1000


class Probe(NamedTuple):
    """`words`: what it answered, or why it did not."""

    name: str
    place: str
    away: Away
    fine: bool
    words: str


Try = Callable[[], Awaitable[str]]
"""Gives words for what it answered. Raises what `Asker` takes."""


async def probe_scanners(settings: Settings, secret: Secret, *, thoroughly: bool) -> list[Probe]:
    """All that the settings name, at the same time. Never raises."""
    asker = Asker()
    hook = Hook(asker, secret)
    wanted: list[tuple[str, str, Away, float, Try]] = []
    if settings.clamav.server:
        at = parse_place(settings.clamav.server)
        wanted.append(("ClamAV", str(at), settings.clamav.away, settings.clamav.seconds, _clamav(at, thoroughly)))
    for rule in map(parse_milter, settings.milters.server_rules):
        wanted.append(("milter", str(rule.place), rule.away, rule.seconds, _milter(rule.place)))
    if settings.hook.url:
        chosen, url = settings.hook, settings.hook.url
        wanted.append(("hook", url, chosen.away, chosen.seconds, _hook(hook, settings, thoroughly)))
    if settings.rspamd.server:
        at = parse_place(settings.rspamd.server)
        wanted.append(("rspamd", str(at), settings.rspamd.away, settings.rspamd.seconds, _rspamd(at, thoroughly)))
    if settings.spamassassin.server:
        at, assassin = parse_place(settings.spamassassin.server), settings.spamassassin
        wanted.append(("SpamAssassin", str(at), assassin.away, assassin.seconds, _spamassassin(at, thoroughly)))
    return await asyncio.gather(
        *(
            _probe(asker, name, place, away, seconds if thoroughly else QUICK_SECONDS, attempt)
            for name, place, away, seconds, attempt in wanted
        )
    )


async def _probe(asker: Asker, name: str, place: str, away: Away, seconds: float, attempt: Try) -> Probe:
    answer = await asker.ask(name, f"{name} {place}", seconds, attempt)
    if isinstance(answer, Absent):
        return Probe(name, place, away, False, answer.reason)
    return Probe(name, place, away, True, answer)


def _clamav(place: Place, thoroughly: bool) -> Try:
    async def attempt() -> str:
        if thoroughly:
            found = await clamav.scan(place, Content.of(_letter(_EICAR)), 1 << 20)
            if found.word is not ClamWord.FOUND:
                raise AnswerError("it does not find the test file of EICAR: its signatures are missing (freshclam)")
            return f"found the test file of EICAR ({found.name})"
        async with open_wire(place) as wire:
            await wire.send(clamd.PING)
            if await wire.answer(clamd.parse_line) != b"PONG":
                raise AnswerError("it does not answer PING")
            return "answers"

    return attempt


def _milter(place: Place) -> Try:
    async def attempt() -> str:
        return f"agreed; it may {await milters.agree(place)}"

    return attempt


def _hook(hook: Hook, settings: Settings, thoroughly: bool) -> Try:
    async def attempt() -> str:
        url = parse_hook_url(settings.hook.url)
        if not thoroughly:
            async with open_wire(url.place, await hook.tls_for(url)):
                return "takes connections"
        facts = Facts("127.0.0.1", helo="localhost")
        facts.sender = Address(*_ADDRESS.split("@"))
        facts.recipients = [(facts.sender, Resolution(Status.LOCAL))]
        facts.content = Content.of(_letter(b"Nothing is to be done with this.\r\n"))
        answer = await hook.consult(url, facts, settings)
        return f"answered {answer.action}" + (f": {answer.reason}" if answer.reason else "")

    return attempt


def _rspamd(place: Place, thoroughly: bool) -> Try:
    async def attempt() -> str:
        if thoroughly:
            found = await rspamd.scan(place, Content.of(_letter(_GTUBE)))
            return _points(found.points, found.threshold)
        question = Question("GET", PING, str(place) if place.host else "localhost", (), None, 0, _MOST_PONG)
        return f"answers {cleaned(await ask(place, question), 20)}"

    return attempt


def _spamassassin(place: Place, thoroughly: bool) -> Try:
    async def attempt() -> str:
        if thoroughly:
            found = await spamassassin.scan(place, Content.of(_letter(_GTUBE)))
            return _points(found.points, found.threshold)
        async with open_wire(place) as wire:
            await wire.send(spamd.PING)
            await wire.answer(spamd.parse_pong)
            return "answers"

    return attempt


def _points(points: float, threshold: float) -> str:
    if points < threshold:
        raise AnswerError(f"it gives the test line GTUBE only {points:g} of {threshold:g} points")
    return f"found the test line GTUBE ({points:g} of {threshold:g} points)"


def _letter(body: bytes) -> bytes:
    return _HEADER + b"\r\n" + body
