"""What is written in front of a message when it leaves: DKIM signatures and ARC seals (docs/internals/signing.md).

It is made of exactly the octets that follow it, after whatever the next server needs of them (7 bits). A message that
goes to many is signed once in a worker, as long as what it was signed with stays the same. Nothing is stored.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from estafeta.delivery.keyring import KeyRing
from estafeta.delivery.values import Finish, Finished, MemorySource, MessageSource
from estafeta.directory.settings_source import SettingsSource
from estafeta.mail.address import domain_key
from estafeta.mail.headers import find_header_end
from estafeta.queue.values import EntryFlag, Work
from estafeta.trust.arcseal import seal
from estafeta.trust.arcsets import SEAL
from estafeta.trust.authresults import parse_auth_results
from estafeta.trust.dkimsign import sign
from estafeta.trust.dmarcauthors import author_domains
from estafeta.trust.fields import MAX_HEADER_OCTETS, Fields
from estafeta.trust.signingkey import SigningKey

log = logging.getLogger("estafeta.dkim")

# Bodies beyond this are hashed in a thread: 64 KiB take 0.2 ms.
_INLINE_BYTES = 64 << 10
# As numbers: asking an IntFlag costs ten times as much, and every message is asked.
_FOREIGN, _RESULTS, _STRANGER = int(EntryFlag.FOREIGN), int(EntryFlag.RESULTS), int(EntryFlag.STRANGER)
# Some 2 KiB each.
_MAX_KNOWN = 500


Body = Callable[[], Iterator[bytes]]
Keys = tuple[SigningKey, ...]


class Due(NamedTuple):
    """What a message gets: a signature, since it is ours; a seal, since it was somebody else's."""

    sign: bool
    seal: bool
    stranger: bool = False
    """From may be forged: signed for the reverse-path alone."""


class Front(NamedTuple):
    """What is written in front of a message; `signed` and `sealed` as of `Finished`."""

    octets: bytes = b""
    signed: str = ""
    sealed: str = ""


class FrontedSource:
    """A content with something in front of it."""

    __slots__ = ("_front", "_source", "size")

    def __init__(self, front: bytes, source: MessageSource) -> None:
        self._front = front
        self._source = source
        self.size = len(front) + source.size

    def whole(self) -> bytes | None:
        """Never in memory: what is, is put together at once."""
        return None

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it."""
        yield self._front
        async for piece in self._source.pieces():
            yield piece

    def pieces_now(self) -> Iterator[bytes]:
        """In a thread: all of it."""
        return chain((self._front,), self._source.pieces_now())


class Signer:
    """Signs for one worker. `clock` gives epoch seconds."""

    def __init__(self, ring: KeyRing, settings: SettingsSource, hostname: str, clock: Callable[[], float]) -> None:
        self._ring = ring
        self._settings = settings
        self._hostname = domain_key(hostname)
        self._clock = clock
        self._known: OrderedDict[tuple[int, bool, str, Due, int], Front] = OrderedDict()

    def forget(self) -> None:
        """Keys, domains or settings changed."""
        self._ring.forget()
        self._known.clear()

    def finish(self, work: Work) -> Finish | None:
        """What is to be done with the content of a message before it is sent; None: nothing."""
        dkim, flags = self._settings.current.dkim, int(work.flags)
        due = Due(dkim.sign and not flags & _FOREIGN, dkim.seal and bool(flags & _RESULTS), bool(flags & _STRANGER))
        if not due.sign and not due.seal:
            return None
        return partial(self._finish, work.content_id, domain_key(work.sender.rpartition("@")[2]), due)

    async def _finish(self, content_id: int, sender: str, due: Due, source: MessageSource, encoded: bool) -> Finished:
        await self._ring.refresh()
        key = (content_id, encoded, sender, due, self._ring.generation)
        front = self._known.get(key)
        if front is None:
            front = await self._front(source, sender, due)
            self._known[key] = front
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        octets, signed, sealed = front
        if not octets:
            return Finished(source)
        whole = source.whole()
        made = FrontedSource(octets, source) if whole is None else MemorySource(octets + whole)
        return Finished(made, signed, sealed)

    async def _front(self, source: MessageSource, sender: str, due: Due) -> Front:
        aside = source.whole() is None or source.size > _INLINE_BYTES
        header = await asyncio.to_thread(_read_header, source) if aside else _read_header(source)
        fields = Fields(header)
        signers = await self._signers(fields, sender, due.stranger) if due.sign else ()
        sealers = await self._sealers(sender) if due.seal else ()
        if not signers and not sealers:
            return Front()
        work = partial(self._write, header, fields, partial(_body, source), signers, sealers)
        return await asyncio.to_thread(work) if aside else work()

    def _write(self, header: bytes, fields: Fields, body: Body, signers: Keys, sealers: Keys) -> Front:
        """Signatures, and in front of them, over them, the seal."""
        front = Front()
        headers = self._settings.current.dkim.signed_fields
        try:
            if signers:
                octets = sign(fields, body, signers, now=self._clock(), headers=headers)
                front = Front(octets, _key_words(signers))
            found = read_results(fields) if sealers else None
            if found is not None:
                signed = Fields(front.octets + header) if front.octets else fields
                made = seal(signed, body, found.text, found.cv, sealers[0], self._clock(), headers)
                front = Front(made + front.octets, front.signed, _key_words(sealers[:1]) if made else "")
        except ValueError as error:
            log.info("a message goes out without all that is due", extra={"reason": str(error)})
        return front

    async def _signers(self, fields: Fields, sender: str, stranger: bool) -> Keys:
        """The keys of the author's domain, so that it is aligned (RFC 7489 3.1); else of the reverse-path's, as with
        mail of a list; what this host writes itself is signed by the domain that settings name."""
        dkim = self._settings.current.dkim
        values = [fields.raw[place].partition(b":")[2] for place in fields.places(b"from")]
        authors = () if stranger else author_domains(values).domains
        for domain in (*authors, sender):
            keys = await self._ring.find_above(domain)
            if not keys and domain == self._hostname and dkim.default_domain:
                keys = await self._ring.find(dkim.default_domain)
            if keys and keys[0].domain not in dkim.unsigned_domains:
                return keys
        return ()

    async def _sealers(self, sender: str) -> Keys:
        """The keys of the domain that sends on: that of the reverse-path, if it is ours by now, else this host's."""
        dkim = self._settings.current.dkim
        keys = await self._ring.find(sender)
        if not keys and dkim.default_domain:
            keys = await self._ring.find(dkim.default_domain)
        return keys or await self._ring.find_above(self._hostname)


def _key_words(keys: Keys) -> str:
    return " ".join((keys[0].domain, *(key.selector for key in keys)))


class Results(NamedTuple):
    """What we found when a message came: the value of our Authentication-Results, and what it says of the chain."""

    text: str
    cv: str


def read_results(fields: Fields) -> Results | None:
    """From the first such field, which must be known to be ours; None where that says too little for a seal."""
    places = fields.places(b"authentication-results")
    if not places:
        return None
    value = fields.raw[places[0]].partition(b":")[2].strip()
    read = parse_auth_results(value)
    if read is None:
        return None
    said = [one.result for one in read.results if one.method == "arc"]
    chained = bool(fields.places(SEAL))
    if not chained:
        return Results(value.decode("utf-8", "replace"), "none")
    # A chain that could not be checked (DNS was away) is left as it is: nobody knows what to say of it.
    return Results(value.decode("utf-8", "replace"), said[0]) if said and said[0] in ("pass", "fail") else None


def _read_header(source: MessageSource) -> bytes:
    """The header without its empty line; one larger than anybody signs is cut there."""
    head, end = _head(iter((whole,)) if (whole := source.whole()) is not None else source.pieces_now())
    header = head if end < 0 else head[:end]
    for _ in range(2):  # the empty line, and the end of the last field
        header = header.removesuffix(b"\n").removesuffix(b"\r")
    return header


def _body(source: MessageSource) -> Iterator[bytes]:
    """What follows the header, in pieces."""
    pieces = source.pieces_now()
    head, end = _head(pieces)
    if end >= 0:
        yield head[end:]
        yield from pieces


def _head(pieces: Iterator[bytes]) -> tuple[bytes, int]:
    """The beginning of a message, and where its body begins in that; -1 where that is not soon enough."""
    head = b""
    for piece in pieces:
        head = head + piece if head else piece
        end = find_header_end(head)
        if end >= 0 or len(head) > MAX_HEADER_OCTETS:
            return head, end
    return head, -1
