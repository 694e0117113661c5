"""Authenticated Received Chains validated (RFC 8617 5.2), in two steps as in `dkim`: `prepare` reads and looks up,
`judge` does the cryptography. Nothing here raises for what a message or a name server holds.

A chain that passes says only who handled the message and what they found; whether one believes them is policy.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from estafeta.trust.arcsets import SEAL, ChainError, RawSet, Seal, SealDigests, collect_sets
from estafeta.trust.canonical import BodyDigest, BodyKey, hash_bodies
from estafeta.trust.dkim import Message, find_key, look_up
from estafeta.trust.dkimkeys import DkimKey, KeyCache, KeyRecordError
from estafeta.trust.fields import Fields
from estafeta.trust.lookups import LookupAnswer, Lookups, Status
from estafeta.trust.signature import Signature, SignatureError, header_digest, parse_signature

#: Names that are asked for. A chain of 50 sets needs 51; signatures of older sets beyond that are taken as not right.
MAX_LOOKUPS = 60

_MESSAGE_TAGS = ("i", "a", "b", "bh", "d", "h", "s")


class ChainStatus(StrEnum):
    """RFC 8617 4.4."""

    NONE = "none"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"


class ArcSet(NamedTuple):
    """One handler of a message: who sealed, and what it found (the text of its results without i=, on one line)."""

    instance: int
    domain: str
    selector: str
    results: str


@dataclass(frozen=True, slots=True)
class ArcResult:
    """What a chain came to; `reason` in words, "" for a plain pass. `temporary`: a key could not be looked up.

    Only for a pass: its `sets`, oldest first, and `oldest_pass` (RFC 8617 5.2 step 4): the message is unchanged since
    that instance; 0 since the first."""

    status: ChainStatus
    reason: str = ""
    sets: tuple[ArcSet, ...] = ()
    oldest_pass: int = 0
    temporary: bool = False

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of the sealers, oldest first."""
        return tuple(one.domain for one in self.sets)


class Link(NamedTuple):
    """A set with its keys; `message` is None where the message signature cannot be right."""

    raw: RawSet
    seal_key: DkimKey
    message: Signature | None
    message_key: DkimKey | None


@dataclass(frozen=True, slots=True)
class ArcCase:
    """What `prepare` found: a result that is certain, or links to be judged."""

    fields: Fields
    decided: ArcResult | None
    links: Sequence[Link] = ()

    @property
    def bodies(self) -> frozenset[BodyKey]:
        """The hashes of the body that `judge` needs."""
        return frozenset(link.message.body for link in self.links if link.message is not None)


async def validate(message: Message, resolver: Lookups, *, keys: KeyCache | None = None) -> ArcResult:
    """What the chain of a message came to. Times are not looked at: RFC 8617 knows no expiry."""
    header, pieces = message
    case = await prepare(header, resolver, keys=keys)
    return judge(case, hash_bodies(case.bodies, pieces()))


async def prepare(header: bytes | Fields, resolver: Lookups, *, keys: KeyCache | None = None) -> ArcCase:
    """Read the chain of a header and look up its keys."""
    fields = header if isinstance(header, Fields) else Fields(header)
    if fields.excess:
        return ArcCase(fields, _fail(fields.excess))
    try:
        sets = collect_sets(fields)
        if not sets:
            return ArcCase(fields, ArcResult(ChainStatus.NONE, "the message has no chain"))
        _check_cv(sets)
        messages = [_read_message(fields, one) for one in sets]
        newest = messages[-1]
        if isinstance(newest, str):
            raise ChainError(f"the message signature of set {sets[-1].instance} is none: {newest}")
    except ChainError as error:
        return ArcCase(fields, _fail(str(error)))
    names = [newest.key_name, *(one.seal.key_name for one in sets)]
    names += [one.key_name for one in reversed(messages) if isinstance(one, Signature)]
    answers = await look_up(list(dict.fromkeys(names))[:MAX_LOOKUPS], resolver)
    return _with_keys(fields, sets, messages, answers, keys)


def judge(case: ArcCase, digests: Mapping[BodyKey, BodyDigest]) -> ArcResult:
    """The result. `digests` holds at least `case.bodies`."""
    if case.decided is not None:
        return case.decided
    fields, links = case.fields, case.links
    if not _message_is_right(fields, links[-1], digests):
        return _fail(f"the message is not the one that set {len(links)} signed")
    sealed = SealDigests()
    for link in links:
        raw = link.raw
        digest = sealed.add(*(fields.raw[place] for place in (raw.results_place, raw.message_place, raw.seal_place)))
        if not link.seal_key.verify(raw.seal.signature, digest):
            return _fail(f"the seal of set {raw.instance} is not right")
    oldest = len(links)
    while oldest > 1 and _message_is_right(fields, links[oldest - 2], digests):
        oldest -= 1
    found = (ArcSet(raw.instance, raw.seal.domain, raw.seal.selector, raw.results) for raw, *_ in links)
    return ArcResult(ChainStatus.PASS, sets=tuple(found), oldest_pass=0 if oldest == 1 else oldest)


def _fail(reason: str, *, temporary: bool = False) -> ArcResult:
    return ArcResult(ChainStatus.FAIL, reason, temporary=temporary)


def _check_cv(sets: Sequence[RawSet]) -> None:
    """RFC 8617 5.2 steps 2 and 3. Raises ChainError."""
    if sets[-1].seal.cv == ChainStatus.FAIL:
        raise ChainError(f"the sealer of set {sets[-1].instance} found the chain broken")
    for one in sets:
        wanted = ChainStatus.NONE if one.instance == 1 else ChainStatus.PASS
        if one.seal.cv != wanted:
            raise ChainError(f"the seal of set {one.instance} does not say cv={wanted}")


def _read_message(fields: Fields, one: RawSet) -> Signature | str:
    """The message signature of a set, or in words why it is none."""
    try:
        signature = parse_signature(fields.raw[one.message_place].partition(b":")[2], _MESSAGE_TAGS)
    except SignatureError as error:
        return str(error)
    if SEAL in signature.names:
        return "it signs a seal"  # RFC 8617 4.1.2
    # A part of the body is not the message; this also bounds how many hashes of it are made.
    return "it signs a part of the body" if signature.body.length is not None else signature


def _with_keys(
    fields: Fields,
    sets: Sequence[RawSet],
    messages: Sequence[Signature | str],
    answers: Mapping[str, LookupAnswer[bytes]],
    keys: KeyCache | None,
) -> ArcCase:
    links = []
    for one, message in zip(sets, messages, strict=True):
        newest = one is sets[-1]
        try:
            seal_key = _find_key(answers, one.seal, keys)
        except KeyRecordError as error:
            return ArcCase(fields, _no_key(error, f"the key of the seal of set {one.instance}", answers, one.seal))
        message_key = None
        if isinstance(message, Signature):
            try:
                message_key = _find_key(answers, message, keys)
            except KeyRecordError as error:
                if newest:
                    return ArcCase(fields, _no_key(error, f"the key of set {one.instance}", answers, message))
        usable = message if isinstance(message, Signature) and message_key is not None else None
        links.append(Link(one, seal_key, usable, message_key))
    return ArcCase(fields, None, links)


def _find_key(answers: Mapping[str, LookupAnswer[bytes]], one: Seal | Signature, keys: KeyCache | None) -> DkimKey:
    """Raises KeyRecordError."""
    answer = answers.get(one.key_name)
    if answer is None:
        raise KeyRecordError("too many keys are wanted")
    if answer.status == Status.FAILED:
        raise KeyRecordError("it cannot be looked up at the moment")
    return find_key(answer, one.algorithm, keys)


def _no_key(
    error: KeyRecordError, what: str, answers: Mapping[str, LookupAnswer[bytes]], one: Seal | Signature
) -> ArcResult:
    temporary = one.key_name in answers and answers[one.key_name].status == Status.FAILED
    return _fail(f"{what} at {one.key_name} cannot be had: {error}", temporary=temporary)


def _message_is_right(fields: Fields, link: Link, digests: Mapping[BodyKey, BodyDigest]) -> bool:
    signature, key = link.message, link.message_key
    if signature is None or key is None:
        return False
    if not hmac.compare_digest(digests[signature.body].digest, signature.body_hash):
        return False
    return key.verify(signature.signature, header_digest(fields, link.raw.message_place, signature))
