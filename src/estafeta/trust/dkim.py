"""DKIM signatures of a message judged (RFC 6376 6, RFC 8301, RFC 8463), in two steps.

`prepare` reads the signatures and looks up their keys; it awaits nothing but the resolver. `judge` does the
cryptography and can run in a thread. Between the two the body is hashed by whoever has it, in one pass for all
signatures, those of ARC too:

    case = await prepare(header, resolver, now=now, keys=keys)
    digests = hash_bodies(case.bodies | arc_case.bodies, pieces)
    results = judge(case, digests)

`verify` is all of it. Nothing here raises for what a message or a name server holds: the results say it, in the words
of RFC 8601 2.7.1.
"""

import asyncio
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from estafeta.mail.address import domain_key
from estafeta.trust.canonical import BodyDigest, BodyKey, hash_bodies
from estafeta.trust.dkimkeys import DkimKey, KeyCache, KeyRecordError, parse_key
from estafeta.trust.fields import Fields
from estafeta.trust.lookups import LookupAnswer, Lookups, Status
from estafeta.trust.signature import ALGORITHMS, Signature, SignatureError, header_digest, parse_signature
from estafeta.trust.tags import TagError, compact, parse_tags

#: Each costs a lookup and a check. Honest mail has one to four; RFC 6376 8.4 wants a limit.
MAX_SIGNATURES = 10
#: RFC 6376 3.6.2.2: there should be one.
MAX_KEY_RECORDS = 4
#: RFC 6376 3.5 t=: a signature from the future may be left out; clocks are not always right.
CLOCK_SKEW_SECONDS = 3600

#: A message: its header without the empty line, and what gives the pieces of its body, from the start each time.
Message = tuple[bytes, Callable[[], Iterator[bytes]]]

_QUOTED = re.compile(rb"=([0-9A-F]{2})")


class DkimWord(StrEnum):
    """RFC 8601 2.7.1. POLICY: it may be right, but is not accepted here. NEUTRAL: it cannot be read. PERMERROR: what it
    needs is missing, so it can never be right. TEMPERROR: later it may be otherwise."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    POLICY = "policy"
    NONE = "none"


class DkimResult(NamedTuple):
    """What one signature came to. `reason` is in words without a full stop, "" for a plain pass.

    `domain` d=, `selector` s=, `identity` i= and `algorithm` a= are "" where they cannot be read; `bits` is 0 without a
    key; `mark` is the begin of b= that tells signatures apart (RFC 6008). `testing`: the signer asks not to be judged
    by this key (t=y). `unsigned_octets`: at the end of the body, because of l=."""

    word: DkimWord
    reason: str = ""
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    bits: int = 0
    mark: str = ""
    testing: bool = False
    unsigned_octets: int = 0


class Candidate(NamedTuple):
    """A signature that is still to be judged: where it stands, what it says, and its key."""

    place: int
    signature: Signature
    key: DkimKey
    found: DkimResult


class DkimCase(NamedTuple):
    """What `prepare` found: in the order of the header, results that are certain and candidates."""

    fields: Fields
    parts: Sequence[DkimResult | Candidate]

    @property
    def bodies(self) -> frozenset[BodyKey]:
        """The hashes of the body that `judge` needs."""
        return frozenset(part.signature.body for part in self.parts if isinstance(part, Candidate))


async def verify(
    message: Message, resolver: Lookups, *, now: float, keys: KeyCache | None = None, accept_partial: bool = False
) -> list[DkimResult]:
    """What the signatures of a message came to, in their order; one result `none` where there is none.

    `now` in seconds since 1970. `accept_partial`: signatures pass that cover only a part of the body (l=)."""
    header, pieces = message
    case = await prepare(header, resolver, now=now, keys=keys)
    return judge(case, hash_bodies(case.bodies, pieces()), accept_partial=accept_partial)


async def prepare(header: bytes | Fields, resolver: Lookups, *, now: float, keys: KeyCache | None = None) -> DkimCase:
    """Read the signatures of a header and look up their keys."""
    fields = header if isinstance(header, Fields) else Fields(header)
    if fields.excess:
        return DkimCase(fields, [DkimResult(DkimWord.POLICY, fields.excess)])
    # The same field again says nothing new.
    places = list({fields.raw[place]: place for place in reversed(fields.places(b"dkim-signature"))}.values())
    if not places:
        return DkimCase(fields, [DkimResult(DkimWord.NONE, "the message has no signature")])
    places.sort()
    read = [_read(fields, place, now) for place in places[:MAX_SIGNATURES]]
    wanted = [part[0].key_name for part in read if not isinstance(part, DkimResult)]
    answers = await look_up(wanted, resolver)
    parts = [
        part if isinstance(part, DkimResult) else _with_key(place, *part, answers[part[0].key_name], keys)
        for place, part in zip(places, read, strict=False)
    ]
    if len(places) > MAX_SIGNATURES:
        more = len(places) - MAX_SIGNATURES
        parts.append(DkimResult(DkimWord.POLICY, f"{more} more signatures were not looked at"))
    return DkimCase(fields, parts)


def judge(case: DkimCase, digests: Mapping[BodyKey, BodyDigest], *, accept_partial: bool = False) -> list[DkimResult]:
    """The results. `digests` holds at least `case.bodies`."""
    return [
        _judge_one(case.fields, part, digests[part.signature.body], accept_partial)
        if isinstance(part, Candidate)
        else part
        for part in case.parts
    ]


async def look_up(names: Iterable[str], resolver: Lookups) -> dict[str, LookupAnswer[bytes]]:
    """The TXT records of names, each asked for once, all at the same time."""
    wanted = list(dict.fromkeys(names))
    if len(wanted) == 1:
        return {wanted[0]: await resolver.txt(wanted[0])}
    return dict(zip(wanted, await asyncio.gather(*map(resolver.txt, wanted)), strict=True))


def find_key(answer: LookupAnswer[bytes], algorithm: str, keys: KeyCache | None) -> DkimKey:
    """The key for a signature's algorithm in the records of its name. Raises KeyRecordError."""
    if answer.status != Status.OK or not answer.records:
        raise KeyRecordError("there is no key")
    parse = keys.parse if keys is not None else parse_key
    problem: KeyRecordError | None = None
    for record in answer.records[:MAX_KEY_RECORDS]:
        try:
            key = parse(record)
            if key.algorithm == ALGORITHMS[algorithm]:
                return key
            raise KeyRecordError("the key is of another kind than the signature")
        except KeyRecordError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _read(fields: Fields, place: int, now: float) -> DkimResult | tuple[Signature, DkimResult]:
    """The signature at a place, with what is known of its result; or a result that is certain."""
    value = fields.raw[place].partition(b":")[2]
    word, reason, identity = DkimWord.NONE, "", ""
    try:
        signature = parse_signature(value)
    except SignatureError as error:
        return DkimResult(_word(error), str(error), _domain_of(value))
    try:
        identity = _identity(signature)
        _check(fields, signature, now)
    except SignatureError as error:
        word, reason = _word(error), str(error)
    mark = compact(signature.tags["b"])[:8]
    found = DkimResult(word, reason, signature.domain, signature.selector, identity, signature.algorithm, 0, mark)
    return (signature, found) if word is DkimWord.NONE else found


def _word(error: SignatureError) -> DkimWord:
    if error.refused:
        return DkimWord.POLICY
    return DkimWord.PERMERROR if error.permanent else DkimWord.NEUTRAL


def _domain_of(value: bytes) -> str:
    """The domain that a field names although it is no signature, for the record; "" for none."""
    try:
        domain = domain_key(parse_tags(value).get("d", ""))
    except TagError:
        return ""
    return domain if re.fullmatch(r"[a-z0-9._-]{1,253}", domain) else ""


def _check(fields: Fields, signature: Signature, now: float) -> None:
    """RFC 6376 6.1.1, what needs no key. Raises SignatureError."""
    if b"from" not in signature.names:
        raise SignatureError("it does not sign From", permanent=True)
    if not fields.places(b"from"):
        raise SignatureError("the message has no From field", permanent=True)
    if signature.signed_at is not None and signature.signed_at > now + CLOCK_SKEW_SECONDS:
        raise SignatureError("it says that it was made in the future", permanent=True)
    if signature.expires_at is not None and signature.expires_at < now:
        raise SignatureError("it has expired", permanent=True)


def _identity(signature: Signature) -> str:
    """i=, or what stands for it (RFC 6376 3.5). Raises SignatureError."""
    text = signature.tags.get("i")
    if text is None:
        return f"@{signature.domain}"
    octets = _QUOTED.sub(lambda match: bytes((int(match[1], 16),)), compact(text).encode())
    local, at, domain = octets.decode("utf-8", "replace").rpartition("@")
    domain = domain_key(domain)
    if not at or not local.isprintable():
        raise SignatureError("its tag i= is no identity")
    if domain != signature.domain and not domain.endswith(f".{signature.domain}"):
        raise SignatureError("its identity i= is not under its domain d=", permanent=True)
    return f"{local}@{domain}"


def _with_key(
    place: int, signature: Signature, found: DkimResult, answer: LookupAnswer[bytes], keys: KeyCache | None
) -> DkimResult | Candidate:
    if answer.status == Status.FAILED:
        return found._replace(word=DkimWord.TEMPERROR, reason="its key cannot be looked up at the moment")
    try:
        key = find_key(answer, signature.algorithm, keys)
    except KeyRecordError as error:
        return found._replace(word=DkimWord.POLICY if error.refused else DkimWord.PERMERROR, reason=str(error))
    # RFC 6376 3.6.1 t=s
    if key.exact and found.identity.rpartition("@")[2] != signature.domain:
        return found._replace(
            word=DkimWord.PERMERROR,
            reason="the key is not for identities of subdomains",
            bits=key.bits,
            testing=key.testing,
        )
    return Candidate(place, signature, key, found)


def _judge_one(fields: Fields, case: Candidate, body: BodyDigest, accept_partial: bool) -> DkimResult:
    word, reason, unsigned = _judged(fields, case, body, accept_partial)
    key = case.key
    return case.found._replace(word=word, reason=reason, bits=key.bits, testing=key.testing, unsigned_octets=unsigned)


def _judged(fields: Fields, case: Candidate, body: BodyDigest, accept_partial: bool) -> tuple[DkimWord, str, int]:
    """What a signature came to: the word, the reason, and the octets that are not signed."""
    signature, length = case.signature, case.signature.body.length
    if length is not None and length > body.octets:
        return DkimWord.PERMERROR, "it signs more than the body has", 0
    if not hmac.compare_digest(body.digest, signature.body_hash):
        return DkimWord.FAIL, "the body is not the one that was signed", 0
    if not case.key.verify(signature.signature, header_digest(fields, case.place, signature)):
        return DkimWord.FAIL, "the header is not the one that was signed with this key", 0
    unsigned = 0 if length is None else body.octets - length
    senders, signed = len(fields.places(b"from")), signature.names.count(b"from")
    if senders > signed:  # RFC 6376 8.15
        return DkimWord.POLICY, f"the message has {senders} From fields, and only {signed} signed", unsigned
    if unsigned and not accept_partial:  # RFC 6376 8.2
        return DkimWord.POLICY, f"{unsigned} octets at the end of the body are not signed", unsigned
    return DkimWord.PASS, "", unsigned
