"""Invariant: no header, no record of DNS, no address makes trust raise; what it signs and seals, it finds right.

What was signed and then changed never passes with the change, wherever the change is in what counts.

    python tests/fuzz/fuzz_trust.py [--seconds N] [--seed N]
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator

from fuzzing import mutate, run

from estafeta.dns.values import Answer, DnsStatus, Mx
from estafeta.mail.address import Address
from estafeta.trust import arc, dkim, srs
from estafeta.trust.arc import ChainStatus
from estafeta.trust.arcseal import seal
from estafeta.trust.authresults import encode_auth_results, parse_auth_results, remove_forged
from estafeta.trust.canonical import BodyKey, hash_bodies
from estafeta.trust.dkim import DkimWord
from estafeta.trust.dkimkeys import KeyRecordError, parse_key
from estafeta.trust.dkimsign import Form, sign
from estafeta.trust.fields import Fields
from estafeta.trust.signature import SignatureError, parse_signature
from estafeta.trust.signingkey import SigningKey
from estafeta.trust.spf import MAX_EXPLANATION, check_host
from estafeta.trust.spfrecord import parse_record
from estafeta.trust.tags import TagError, parse_tags

NOW = 1_600_000_000
KEY = SigningKey.generate("example.com", "s", "ed25519-sha256")
RECORD = KEY.dns_record().text.encode()
HEADER = b"From: Ana <ana@example.com>\r\nTo: bo@b.test\r\nSubject: A  word\r\n\tor two\r\nX-A: b\r\n"
BODY = b"Hello \t there \r\n\r\n  two\r\n\r\n\r\n"


class Names:
    """A name server that says the same of every name."""

    def __init__(self, text: bytes = RECORD) -> None:
        self._text = text

    async def txt(self, name: str) -> Answer[bytes]:
        return Answer(DnsStatus.OK, (self._text,), name=name)

    async def ipv4(self, name: str) -> Answer[str]:
        return Answer(DnsStatus.OK, ("192.0.2.7",), name=name)

    async def ipv6(self, name: str) -> Answer[str]:
        return Answer(DnsStatus.NO_DATA, name=name)

    async def mx(self, name: str) -> Answer[Mx]:
        return Answer(DnsStatus.OK, (Mx(10, "mx.b.test"), Mx(20, "")), name=name)

    async def ptr(self, address: str) -> Answer[str]:
        return Answer(DnsStatus.OK, ("a.b.test",), name=address)


def whole(body: bytes) -> Callable[[], Iterator[bytes]]:
    """The body in one piece."""
    return lambda: iter((body,))


SIGNED = sign(HEADER, whole(BODY), [KEY], now=NOW) + HEADER
SEALED = seal(SIGNED, whole(BODY), "a.test; dkim=pass", "none", KEY, NOW) + SIGNED
SEALED = seal(SEALED, whole(BODY), "b.test; arc=pass", "pass", KEY, NOW) + SEALED
HEADERS = [SIGNED, SEALED, HEADER]
RECORDS = [
    RECORD,
    b"v=DKIM1; k=rsa; h=sha256; s=email; t=y:s; n=note; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6",
    b"v=spf1 a mx/24//64 ip4:192.0.2.0/24 ip6:2001:db8::/32 ptr exists:%{ir}.%{v}._spf.%{d2} include:x.test ~all",
    b"v=spf1 redirect=%{l1r-}.x.test exp=%{s}%_%-%%.y.test",
]
ADDRESSES = [b"SRS0=iTpt=CW=example.com=ana", b"SRS1=abcd=ours.test==iTpt=CW=example.com=ana", b"ana+x"]
RESULTS = [
    b'a.test 1; dkim=pass (c (d)) reason="x\\"y" header.d=b.test header.i=@b.test; spf/1=fail smtp.mailfrom=c@d; none',
    b'(x) "a b"; arc=pass; dmarc = fail policy.p = none ; ;',
]
TOKENS = [
    *(b"\r\n", b"\r\n ", b"\n", b"\t", b"\0", b"\xff", b";", b"=", b":", b"(", b")", b'"', b"\\", b"@", b"%", b"%{"),
    *(b"}", b"b=", b"h=", b"l=1", b"i=2;", b"cv=fail", b"x=1", b"d=", b"SRS0=", b"=", b"-all"),
    *(b"From: ", b"DKIM-Signature: "),
]


def check_header(data: bytes) -> None:
    """Any header is judged; with what we sign or seal put in front of it, that is right."""
    message = (data, whole(BODY))
    results = asyncio.run(dkim.verify(message, Names(), now=NOW))
    assert results
    chain = asyncio.run(arc.validate(message, Names()))
    assert (chain.status is ChainStatus.PASS) == bool(chain.sets)
    for place in Fields(data).places(b"dkim-signature"):
        with contextlib.suppress(SignatureError):
            parse_signature(Fields(data).raw[place].partition(b":")[2])
    # A line that goes on would go on with our field: on the server Received stands between.
    if not Fields(data).places(b"from") or not data.endswith(b"\r\n") or data.startswith((b" ", b"\t")):
        return
    for form in (Form(), Form(False, False)):
        made = sign(data, whole(BODY), [KEY], now=NOW, canonicalization=form)
        first, *_ = asyncio.run(dkim.verify((made + data, whole(BODY)), Names(), now=NOW))
        # The same field a second time is the same signature.
        assert first.word is DkimWord.PASS, first
    with contextlib.suppress(ValueError):
        made = seal(data, whole(BODY), "a.test; none", str(chain.status), KEY, NOW)
        after = asyncio.run(arc.validate((made + data, whole(BODY)), Names()))
        wanted = ChainStatus.FAIL if chain.status is ChainStatus.FAIL else ChainStatus.PASS
        assert not made or after.status is wanted, after


def check_body(data: bytes) -> None:
    """Pieces give what the whole gives; a change in what counts is found."""
    keys = [BodyKey(False), BodyKey(True), BodyKey(True, length=9)]
    pieces = [data[at : at + 1 + at % 3] for at in range(len(data))]
    joined = b"".join(pieces)
    assert hash_bodies(keys, pieces) == hash_bodies(keys, [joined])
    [result] = asyncio.run(dkim.verify((SIGNED, whole(joined)), Names(), now=NOW))
    relaxed = BodyKey(True)
    same = hash_bodies([relaxed], [joined])[relaxed] == hash_bodies([relaxed], [BODY])[relaxed]
    assert (result.word is DkimWord.PASS) == same


def check_record(data: bytes) -> None:
    """Any text in DNS is read or refused."""
    with contextlib.suppress(TagError):
        parse_tags(data)
    with contextlib.suppress(KeyRecordError):
        parse_key(data)
    with contextlib.suppress(ValueError):
        parse_record(data)
    for ip in ("192.0.2.1", "2001:db8::1"):
        found = asyncio.run(check_host(ip, "example.com", "a@example.com", helo="x.test", resolver=Names(data)))
        assert len(found.explanation) <= MAX_EXPLANATION
        assert (found.mechanism + found.problem + found.explanation).isprintable()
    asyncio.run(dkim.verify((SIGNED, whole(BODY)), Names(data), now=NOW))


def check_address(data: bytes) -> None:
    """An address that was rewritten leads back to itself; one that was not made here to nowhere."""
    local = data.decode("utf-8", "replace")
    assert srs.reverse(local, [b"secret"], NOW).address is None
    made = srs.forward(Address(local, "example.com"), "ours.test", [b"secret"], NOW)
    if made is not None:
        back = srs.reverse(made.local, [b"secret"], NOW).address
        assert back is not None
        assert back.local.lower() == local.lower() or srs.is_srs(local)


def check_results(data: bytes) -> None:
    """What is read is written so that it is read again as the same."""
    found = parse_auth_results(data)
    if found is not None:
        field = encode_auth_results(found.authserv_id, found.results, utf8=True)
        assert all(len(line) < 998 for line in field.split(b"\r\n"))
        assert parse_auth_results(field.partition(b":")[2]) is not None
    header = b"Authentication-Results: " + data + b"\r\nFrom: a@b\r\n"
    cleaned = remove_forged(header, ("a.test",))
    assert cleaned is header or len(cleaned) < len(header)
    assert remove_forged(cleaned, ("a.test",)) == cleaned


CHECKS = (
    (HEADERS, check_header),
    ([BODY, BODY * 3], check_body),
    (RECORDS, check_record),
    (ADDRESSES, check_address),
    (RESULTS, check_results),
)


def make_inputs(dice: random.Random) -> list[bytes]:
    """One for each check."""
    return [mutate(dice, dice.choice(seeds), [*TOKENS, *seeds]) for seeds, _ in CHECKS]


def check(dice: random.Random, inputs: list[bytes]) -> None:
    """All invariants."""
    for (_, check_one), data in zip(CHECKS, inputs, strict=True):
        check_one(data)


if __name__ == "__main__":
    run(make_inputs, check)
