"""ClamAV: is there a virus in it? clamd is sent the message in pieces, and answers one line."""

from collections.abc import Sequence

from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_scanners import Infected, Place, parse_place
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.scanners.asking import Absent, Asker, judge_absent
from estafeta.policy.scanners.wire import Wire, message_pieces, open_wire
from estafeta.policy.verdict import Verdict, discarded, passed, quarantined, rejected, scored
from estafeta.protocols.scanners.clamd import END, INSTREAM, ClamAnswer, ClamWord, encode_piece, parse_answer
from estafeta.protocols.scanners.words import AnswerError

NAME = "ClamAV"
# A connection that ends after so much ended for that: StreamMaxLength is never less.
_LARGE_OCTETS = 1 << 20


async def find_virus(asker: Asker, facts: Facts, settings: Settings) -> ClamAnswer | Absent:
    """Ask clamd."""
    content, clamav = facts.content, settings.clamav
    assert content is not None
    place = parse_place(clamav.server)
    return await asker.ask(NAME, str(place), clamav.seconds, lambda: scan(place, content, clamav.max_bytes))


async def scan(place: Place, content: Content, most: int) -> ClamAnswer:
    """Scan the first `most` octets. Raises OSError, AnswerError."""
    async with open_wire(place) as wire:
        sent = 0
        try:
            await wire.send(INSTREAM)
            async for piece in message_pieces(content, most):
                await wire.send(encode_piece(piece))
                sent += len(piece)
            await wire.send(END)
        except ConnectionError:
            return await _last_words(wire, sent)
        return await wire.answer(parse_answer)


async def _last_words(wire: Wire, sent: int) -> ClamAnswer:
    """It closed while it was being sent the message: it has seen enough of it. What it said of that may be lost."""
    try:
        return await wire.answer(parse_answer)
    except OSError:
        if sent >= _LARGE_OCTETS:
            return ClamAnswer(ClamWord.TOO_LARGE)
        raise AnswerError("it closed the connection before the end of the message") from None


def judge_virus(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """What is done with what it found."""
    found, clamav = facts.found.get("clamav"), settings.clamav
    if isinstance(found, Absent):
        return (judge_absent(NAME, found, clamav.away),)
    if not isinstance(found, ClamAnswer):
        return ()
    if found.word is ClamWord.TOO_LARGE:
        return (judge_absent(NAME, Absent("the message is larger than StreamMaxLength in clamd.conf"), clamav.away),)
    if found.word is ClamWord.CLEAN:
        content = facts.content
        part = f" in its first {clamav.max_bytes} octets" if content and content.size > clamav.max_bytes else ""
        return (passed(f"{NAME} found nothing{part}"),)
    words = f"{NAME} found {found.name}"
    if found.name.startswith(clamav.suspicious_names):
        return (scored(settings.policy.junk_score, words, "suspicious"),)
    if clamav.infected is Infected.QUARANTINE:
        return (quarantined(words, "clamav"),)
    if clamav.infected is Infected.DISCARD:
        return (discarded(words),)
    return (rejected(f"The message carries a virus: {found.name}", words, 554, "5.7.1"),)
