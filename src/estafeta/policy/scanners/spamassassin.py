"""SpamAssassin: spamd is sent the message, and answers points and the names of rules.

It reads where a message came from in the first Received field. That is ours, which the stored message gets only later;
so it is written in front of what spamd sees, with Return-Path, which says the envelope's sender.
"""

from collections.abc import Sequence
from functools import partial

from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_scanners import Place, parse_place
from estafeta.mail.trace import received, return_path, with_protocol
from estafeta.policy.authentication import name_of
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.scanners.asking import Absent, Asker, judge_absent
from estafeta.policy.scanners.scores import score_verdict
from estafeta.policy.scanners.wire import message_pieces, open_wire
from estafeta.policy.verdict import Verdict, passed
from estafeta.protocols.scanners.spamd import SpamAnswer, encode_request, parse_answer
from estafeta.protocols.scanners.words import AnswerError
from estafeta.protocols.smtp.limits import Mode

NAME = "SpamAssassin"
_MOST_TOLD = 8


async def find_spam(asker: Asker, hostname: str, facts: Facts, settings: Settings) -> SpamAnswer | Absent | None:
    """Ask spamd; None where the message is too large for it."""
    content, chosen = facts.content, settings.spamassassin
    assert content is not None
    if content.size > chosen.max_bytes:
        return None
    place = parse_place(chosen.server)
    front = _trace(facts, hostname)
    return await asker.ask(NAME, str(place), chosen.seconds, partial(scan, place, content, chosen.user, front))


async def scan(place: Place, content: Content, user: str = "", front: bytes = b"") -> SpamAnswer:
    """Ask about a message with `front` before it. Raises OSError, AnswerError."""
    async with open_wire(place) as wire:
        try:
            await wire.send(encode_request(len(front) + content.size, user) + front)
            async for piece in message_pieces(content):
                await wire.send(piece)
            # spamd reads lines: one without an end would keep it waiting, whatever Content-length says.
            wire.finish()
        except OSError:
            raise AnswerError("it closed the connection before the end of the message") from None
        return await wire.answer(parse_answer)


def judge_spam(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Its points as ours."""
    found, chosen = facts.found.get("spamassassin"), settings.spamassassin
    if isinstance(found, Absent):
        return (judge_absent(NAME, found, chosen.away),)
    if not isinstance(found, SpamAnswer):
        return (passed(f"{NAME} did not see it: the message is larger than spamassassin.max_bytes"),)
    told = found.symbols[:_MOST_TOLD]
    return score_verdict(NAME, found.points, found.threshold, chosen.weight_percent, told, settings)


def _trace(facts: Facts, hostname: str) -> bytes:
    name = name_of(facts)
    mode = "LMTP" if facts.mode is Mode.LMTP else "ESMTP" if facts.esmtp else "SMTP"
    return return_path(facts.sender) + received(
        helo=facts.helo,
        client=facts.peer,
        client_name=name.name if name is not None else None,
        by=hostname,
        protocol=with_protocol(mode, facts.tls, facts.account is not None, facts.smtputf8),
        ident="estafeta",
        recipient=None,
        tls=None,
        now=facts.now,
    )
