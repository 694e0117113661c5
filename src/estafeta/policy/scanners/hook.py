"""The web hook: a web service that is told of each message, in JSON, and answers with one verdict.

What it is told is made here (`question`); docs/guides/scanners.md is its contract. A field is never taken out or given
another meaning without another `version`.
"""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from estafeta.directory.settings_hook import HookSends, HookUrl, parse_hook_url
from estafeta.directory.settings_model import Settings
from estafeta.mail.charsets import decode_text
from estafeta.mail.encodedwords import unfold
from estafeta.mail.headeredits import split_fields
from estafeta.policy.authentication import dkim_of, dmarc_of, name_of, spf_of
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.parts import Part
from estafeta.policy.scanners.asking import Absent, Asker, judge_absent
from estafeta.policy.scanners.http import Question, ask
from estafeta.policy.scanners.wire import message_pieces
from estafeta.policy.verdict import (
    Verdict,
    deferred,
    discarded,
    passed,
    quarantined,
    rejected,
    scored,
    tagged,
)
from estafeta.protocols.scanners.hook import MAX_ANSWER_OCTETS, HookAnswer, parse_answer

NAME = "hook"
VERSION = 1
# Fields of the header that are told; honest mail has some tens.
_MOST_FIELDS = 1000
# Characters of one part, and of all parts together.
_MOST_TEXT = 64 << 10
_MOST_TEXTS = 1 << 20
# How long a secret is remembered: a new one counts within a minute.
_SECRET_SECONDS = 60.0
# Octets that become base64 at a time, a multiple of three.
_BASE64_STEP = 48 << 10

Secret = Callable[[str, int], str]
"""The secret for a host and port, "" for none. Asks the database: for a thread. Raises EstafetaError."""


class Hook:
    """For one worker. `trust` makes the context that certificates are checked with."""

    def __init__(
        self, asker: Asker, secret: Secret, trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ) -> None:
        self._asker = asker
        self._secret = secret
        self._trust = trust
        self._context: ssl.SSLContext | None = None
        self._known: tuple[HookUrl, float, str] | None = None

    async def find(self, facts: Facts, settings: Settings) -> HookAnswer | Absent:
        """Ask it."""
        url = parse_hook_url(settings.hook.url)
        return await self._asker.ask(
            NAME, str(url.place), settings.hook.seconds, lambda: self.consult(url, facts, settings)
        )

    async def consult(self, url: HookUrl, facts: Facts, settings: Settings) -> HookAnswer:
        """Its answer. Raises OSError, AnswerError, EstafetaError."""
        content, chosen = facts.content, settings.hook
        assert content is not None
        sends = chosen.sends
        if content.size > chosen.max_bytes and sends in (HookSends.PARTS, HookSends.MESSAGE):
            sends = HookSends.HEADER
        told = question(facts, content, sends)
        if sends is HookSends.PARTS:
            told["parts"] = await asyncio.to_thread(_parts, content)
        head = json.dumps(told, ensure_ascii=True).encode("ascii")
        body, size = _body(head, content if sends is HookSends.MESSAGE else None)
        fields = [("Content-Type", "application/json"), ("Accept", "application/json")]
        if secret := await self._secret_for(url):
            fields.append(("Authorization", f"Bearer {secret}"))
        asked = Question("POST", url.path, url.host, fields, body, size, MAX_ANSWER_OCTETS)
        return parse_answer(await ask(url.place, asked, await self.tls_for(url)))

    async def tls_for(self, url: HookUrl) -> ssl.SSLContext | None:
        """What its certificate is checked with; None without TLS."""
        if url.tls and self._context is None:
            self._context = await asyncio.to_thread(self._trust)
        return self._context if url.tls else None

    async def _secret_for(self, url: HookUrl) -> str:
        now = time.monotonic()
        if self._known is None or self._known[0] != url or now >= self._known[1]:
            secret = await asyncio.to_thread(self._secret, url.place.host, url.place.port)
            self._known = url, now + _SECRET_SECONDS, secret
        return self._known[2]


def judge_hook(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Its verdict as ours."""
    found = facts.found.get("hook")
    if isinstance(found, Absent):
        return (judge_absent(NAME, found, settings.hook.away),)
    if not isinstance(found, HookAnswer):
        return ()
    reason = f"{NAME}: {found.reason or found.action}"
    verdict = {
        "pass": lambda: passed(reason),
        "score": lambda: scored(found.score, reason, found.tag),
        "tag": lambda: tagged(found.tag, reason),
        "quarantine": lambda: quarantined(reason, found.tag or "hook"),
        "discard": lambda: discarded(reason),
        "defer": lambda: deferred(found.text or "Try again later", reason, 451, "4.7.1"),
        "reject": lambda: rejected(found.text or "The message is not wanted here", reason, 550, "5.7.1"),
    }[found.action]()
    return (verdict,)


# What it is told


def question(facts: Facts, content: Content, sends: HookSends) -> dict[str, Any]:
    """The question without the parts and the message."""
    name = name_of(facts)
    told: dict[str, Any] = {
        "version": VERSION,
        "client": {
            "address": facts.peer,
            "name": name.name if name is not None else "",
            "helo": facts.helo,
            "tls": facts.tls,
        },
        "service": str(facts.mode),
        "user": facts.account.address if facts.account is not None else None,
        "trusted": facts.trusted,
        "sender": str(facts.sender or ""),
        "recipients": [str(address) for address, _ in facts.recipients],
        "size": content.size,
        "authentication": _authentication(facts),
    }
    if sends is not HookSends.FACTS:
        fields = split_fields(content.header)[:_MOST_FIELDS]
        told["header"] = [[field.decode("ascii"), _words(value)] for field, value in fields]
    return told


def _authentication(facts: Facts) -> dict[str, Any]:
    spf, dmarc = spf_of(facts), dmarc_of(facts)
    return {
        "spf": str(spf.result) if spf is not None else None,
        "dkim": [{"domain": one.domain, "result": str(one.word)} for one in dkim_of(facts)],
        "dmarc": str(dmarc.outcome) if dmarc is not None else None,
    }


def _words(value: bytes) -> str:
    return unfold(value).decode("utf-8", "replace").strip()


def _parts(content: Content) -> list[dict[str, Any]]:
    """In a thread: there may be much to decode."""
    told, left = [], _MOST_TEXTS
    for part in content.parts:
        text = _text(part, min(left, _MOST_TEXT))
        left -= len(text or "")
        told.append(
            {
                "path": part.path,
                "type": part.media,
                "name": part.name,
                "size": len(part.octets),
                "complete": part.complete,
                "attached": part.attached,
                "archive": str(part.archive),
                "text": text,
            }
        )
    return told


def _text(part: Part, most: int) -> str | None:
    if not part.media.startswith("text/"):
        return None
    # Six octets make a character at most, in any charset that is read.
    return decode_text(part.octets[: most * 6], part.charset)[:most]


def _body(head: bytes, message: Content | None) -> tuple[AsyncIterator[bytes], int]:
    """The JSON in pieces, and its size; `message` is written into it as it is read."""
    if message is None:
        return _pieces(head), len(head)
    begin, end = head[:-1] + b', "message": "', b'"}'
    size = len(begin) + (message.size + 2) // 3 * 4 + len(end)
    return _pieces(begin, message, end), size


async def _pieces(begin: bytes, message: Content | None = None, end: bytes = b"") -> AsyncIterator[bytes]:
    yield begin
    if message is None:
        return
    waiting = b""
    async for piece in message_pieces(message):
        waiting += piece
        whole = len(waiting) - len(waiting) % 3
        for start in range(0, whole, _BASE64_STEP):
            yield base64.b64encode(waiting[start : min(start + _BASE64_STEP, whole)])
        waiting = waiting[whole:]
    yield base64.b64encode(waiting)
    yield end
