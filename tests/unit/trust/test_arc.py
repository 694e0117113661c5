"""ARC validated (RFC 8617 5.2): chains of ours and of dkimpy, every way to break one, and hostile ones."""

from collections.abc import Sequence

import dkim as dkimpy
import pytest
from test_dkim_sign import private

from estafeta.trust import arc
from estafeta.trust.arc import MAX_LOOKUPS, ArcResult, ArcSet, ChainStatus
from estafeta.trust.arcseal import seal
from estafeta.trust.arcsets import MAX_SETS
from estafeta.trust.fields import MAX_HEADER_OCTETS
from estafeta.trust.signingkey import SigningKey
from signed_kit import BODY, HEADER, NOW, ed25519_key, hand_signed, rsa_key, whole, zone
from zone_kit import TIMEOUT, Zone, run

SEALERS = (
    rsa_key("one.example", "s1"),
    ed25519_key("two.example", "s2"),
    rsa_key("three.example", "s3"),
)
KEYS = zone(*SEALERS, rsa_key())


def sealed(header: bytes = HEADER, body: bytes = BODY, keys: Sequence[SigningKey] = SEALERS) -> bytes:
    """A chain of as many sets as there are keys."""
    for number, key in enumerate(keys):
        cv = "pass" if number else "none"
        header = seal(header, whole(body), f"{key.domain}; dkim=pass header.d=example.com", cv, key, NOW) + header
    return header


def validate(header: bytes, body: bytes = BODY, resolver: Zone = KEYS) -> ArcResult:
    return run(arc.validate((header, whole(body)), resolver))


CHAIN = sealed()
FIRST = sealed(keys=SEALERS[:1])


def test_no_chain() -> None:
    result = validate(HEADER)
    assert (result.status, result.reason) == (ChainStatus.NONE, "the message has no chain")


def test_a_chain_of_three() -> None:
    assert validate(CHAIN) == ArcResult(
        ChainStatus.PASS,
        "",
        (
            ArcSet(1, "one.example", "s1", "one.example; dkim=pass header.d=example.com"),
            ArcSet(2, "two.example", "s2", "two.example; dkim=pass header.d=example.com"),
            ArcSet(3, "three.example", "s3", "three.example; dkim=pass header.d=example.com"),
        ),
        oldest_pass=0,
    )
    assert validate(CHAIN).domains == ("one.example", "two.example", "three.example")


def test_from_where_on_the_message_is_unchanged() -> None:
    listed = FIRST.replace(b"Subject: A", b"Subject: [list] A")
    second = seal(listed, whole(BODY + b"--\r\nfooter\r\n"), "two.example; arc=pass", "pass", SEALERS[1], NOW) + listed
    result = validate(second, BODY + b"--\r\nfooter\r\n")
    assert (result.status, result.oldest_pass) == (ChainStatus.PASS, 2)


@pytest.mark.parametrize("sets", [1, 2, 3])
def test_a_chain_of_dkimpy(sets: int) -> None:
    message, found = (
        HEADER + b"\r\n" + BODY,
        b"Authentication-Results: mx.example; spf=pass smtp.mailfrom=b.example\r\n",
    )
    key = rsa_key("one.example", "s1")
    for _ in range(sets):
        made = dkimpy.arc_sign(
            found + message, b"s1", b"one.example", private(key), b"mx.example", include_headers=[b"from", b"subject"]
        )
        message = b"".join(made) + message
        found = b"Authentication-Results: mx.example; arc=pass; dkim=none\r\n"
    header, _, body = message.partition(b"\r\n\r\n")
    result = validate(header, body)
    assert (result.status, len(result.sets), result.oldest_pass) == (ChainStatus.PASS, sets, 0), result.reason
    assert validate(header, body + b"x").reason == f"the message is not the one that set {sets} signed"


def lines(header: bytes, begin: bytes) -> list[bytes]:
    """The fields that begin so, each with its CRLF."""
    fields = header.replace(b"\r\n\t", b"\0").replace(b"\r\n ", b"\1").split(b"\r\n")
    return [
        field.replace(b"\0", b"\r\n\t").replace(b"\1", b"\r\n ") + b"\r\n"
        for field in fields
        if field.startswith(begin)
    ]


SEAL_3, SEAL_2, SEAL_1 = lines(CHAIN, b"ARC-Seal")
MESSAGE_3, MESSAGE_2, MESSAGE_1 = lines(CHAIN, b"ARC-Message-Signature")
RESULTS_3, RESULTS_2, RESULTS_1 = lines(CHAIN, b"ARC-Authentication-Results")


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        (SEAL_3, b"", "a set is not complete"),
        (MESSAGE_2, b"", "a set is not complete"),
        (RESULTS_1, b"", "a set is not complete"),
        (SEAL_1 + MESSAGE_1 + RESULTS_1, b"", "a set is not complete"),
        (SEAL_1, SEAL_1 * 2, "a set is not complete"),
        (b"ARC-Seal: i=3", b"ARC-Seal: i=2", "an instance has two fields of a kind"),
        (b"ARC-Seal: i=3", b"ARC-Seal: i=0", "no instance between 1 and 50"),
        (b"ARC-Seal: i=3", b"ARC-Seal: i=51", "no instance between 1 and 50"),
        (b"ARC-Seal: i=3", b"ARC-Seal: i=03", "no instance between 1 and 50"),
        (b"ARC-Seal: i=3", b"ARC-Seal: i=a", "no instance between 1 and 50"),
        (b"ARC-Seal: i=3;", b"ARC-Seal:", "no tag i="),
        (b"ARC-Authentication-Results: i=3", b"ARC-Authentication-Results: j=3", "no instance between"),
        (b"ARC-Seal: i=3", b"ARC-Seal: \xff i=3", "not UTF-8"),
        (b"cv=pass;\r\n\td=three", b"cv=fail;\r\n\td=three", "the sealer of set 3 found the chain broken"),
        (b"cv=pass;\r\n\td=three", b"cv=none;\r\n\td=three", "set 3 does not say cv=pass"),
        (b"cv=none", b"cv=pass", "set 1 does not say cv=none"),
        (b"cv=none;", b"", "no tag cv="),
        (b"cv=none;", b"cv=none; h=from;", "it has a tag h="),
        (b"cv=none;", b"cv=none; t=soon;", "the tag t= comes twice"),
        (b"From: Ana", b"From: Eva", "the message is not the one that set 3 signed"),
        (
            b"header.d=example.com\r\nARC-Seal: i=2",
            b"header.d=evil.test\r\nARC-Seal: i=2",
            "the seal of set 3 is not right",
        ),
        (RESULTS_2, RESULTS_2.replace(b"dkim=pass", b"dkim=fail"), "the seal of set 2 is not right"),
        (MESSAGE_1, MESSAGE_1.replace(b"bh=", b"bh=AAAA"), "the seal of set 1 is not right"),
        (SEAL_2, SEAL_2.replace(b"t=16", b"t=17"), "the seal of set 2 is not right"),
        (
            MESSAGE_3,
            MESSAGE_3.replace(b"; a=rsa-sha256", b"; a=rsa-sha1"),
            "message signature of set 3 is none: rsa-sha1",
        ),
        (MESSAGE_3, MESSAGE_3.replace(b"h=From", b"h=ARC-Seal:From"), "set 3 is none: it signs a seal"),
        (MESSAGE_3, MESSAGE_3.replace(b"h=From", b"l=1; h=From"), "set 3 is none: it signs a part of the body"),
        (SEAL_3, SEAL_3.replace(b"t=16", b"t=x16"), "the seal of set 3 is none: its tag t= is no number"),
        (SEAL_3, SEAL_3.replace(b"d=three.example", b"d=.."), "the seal of set 3 is none: its tag d="),
    ],
)
def test_a_chain_that_is_broken(was: bytes, becomes: bytes, reason: str) -> None:
    assert was in CHAIN
    result = validate(CHAIN.replace(was, becomes, 1))
    assert result.status is ChainStatus.FAIL
    assert reason in result.reason
    assert result.sets == ()


def test_a_body_that_was_changed() -> None:
    assert validate(CHAIN, BODY + b"x").reason == "the message is not the one that set 3 signed"


@pytest.mark.parametrize(
    ("selector", "records", "reason", "temporary"),
    [
        ("s3._domainkey.three.example", None, "there is no key", False),
        ("s2._domainkey.two.example", [("TXT", "v=DKIM1; p=")], "the key is revoked", False),
        ("s1._domainkey.one.example", [TIMEOUT], "cannot be looked up at the moment", True),
    ],
)
def test_keys_that_cannot_be_had(
    selector: str, records: list[tuple[str, object]] | None, reason: str, temporary: bool
) -> None:
    table = {key.dns_record().name: [("TXT", key.dns_record().text)] for key in SEALERS}
    del table[selector]
    result = validate(CHAIN, resolver=Zone(table if records is None else {**table, selector: records}))
    assert (result.status, result.temporary) == (ChainStatus.FAIL, temporary)
    assert selector in result.reason
    assert reason in result.reason


def test_a_chain_of_fifty_and_one_of_fifty_one() -> None:
    keys = [SEALERS[1]] * MAX_SETS
    chain = sealed(keys=keys)
    resolver = zone(SEALERS[1])
    result = validate(chain, resolver=resolver)
    assert (result.status, len(result.sets)) == (ChainStatus.PASS, MAX_SETS)
    assert resolver.asked == ["TXT s2._domainkey.two.example"]
    longer = b"".join(SEAL_3.replace(b"i=3", b"i=%d" % number) for number in range(1, 52)) + HEADER
    assert validate(longer).reason == "there are more than 50 sets"


def test_keys_of_a_long_chain_are_asked_for_within_a_limit() -> None:
    fields = [
        (SEAL_1 + MESSAGE_1 + RESULTS_1)
        .replace(b"i=1", b"i=%d" % number)
        .replace(b"s=s1", b"s=x%d" % number, 1)
        .replace(b"s=s1", b"s=y%d" % number, 1)
        .replace(b"cv=none", b"cv=pass" if number > 1 else b"cv=none")
        for number in range(1, MAX_SETS + 1)
    ]
    resolver = Zone({})
    assert validate(b"".join(fields) + HEADER, resolver=resolver).status is ChainStatus.FAIL
    assert len(resolver.asked) == MAX_LOOKUPS


def test_a_header_beyond_limits() -> None:
    assert "larger than 1 MiB" in validate(b"X: " + b"x" * MAX_HEADER_OCTETS + b"\r\n" + CHAIN).reason


def test_dkim_signatures_and_chains_do_not_meet() -> None:
    assert validate(sealed(hand_signed())).status is ChainStatus.PASS
