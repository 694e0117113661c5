"""DKIM verified (RFC 6376 6): the RFCs' messages, every word of RFC 8601 2.7.1, and messages made to harm."""

import pytest
from rfc_messages import BODY as RFC_BODY
from rfc_messages import RFC6376_HEADER, RFC8463_HEADER, ZONE
from test_dkim_keys import public

from estafeta.trust import dkim
from estafeta.trust.canonical import hash_bodies
from estafeta.trust.dkim import MAX_SIGNATURES, DkimResult, DkimWord
from estafeta.trust.dkimkeys import KeyCache
from estafeta.trust.dkimsign import Form, sign
from estafeta.trust.fields import MAX_FIELDS, MAX_HEADER_OCTETS
from signed_kit import BODY, HEADER, NOW, ed25519_key, hand_signed, public_record, rsa_key, verify, whole, words, zone
from zone_kit import TIMEOUT, Zone, run

KEY_NAME = "rsa._domainkey.example.com"
FOOTBALL = "football.example.com"
RECORD = rsa_key().dns_record().text


def test_the_message_of_rfc_6376() -> None:
    assert verify(RFC6376_HEADER, RFC_BODY, ZONE) == [
        DkimResult(
            DkimWord.PASS, "", "example.com", "brisbane", "joe@football.example.com", "rsa-sha256", 1024, "AuUoFEfD"
        )
    ]


def test_the_message_of_rfc_8463() -> None:
    assert verify(RFC8463_HEADER, RFC_BODY, ZONE) == [
        DkimResult(DkimWord.PASS, "", FOOTBALL, "brisbane", f"@{FOOTBALL}", "ed25519-sha256", 256, "/gCrinpc"),
        DkimResult(DkimWord.PASS, "", FOOTBALL, "test", f"@{FOOTBALL}", "rsa-sha256", 1024, "F45dVWDf"),
    ]


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (RFC8463_HEADER, RFC_BODY.replace(b"lost", b"won")),
        (RFC8463_HEADER.replace(b"dinner", b"supper"), RFC_BODY),
        (RFC8463_HEADER + b"\r\nDate: Fri, 11 Jul 2003 21:00:38 -0700", RFC_BODY),  # taken from the end
        (RFC8463_HEADER.replace(b"t=1528637909", b"t=1528637908"), RFC_BODY),
    ],
)
def test_the_message_of_rfc_8463_changed(header: bytes, body: bytes) -> None:
    assert words(verify(header, body, ZONE)) == ["fail", "fail"]


ED = ed25519_key()
LATER = NOW + 2 * dkim.CLOCK_SKEW_SECONDS
DUE = "t=1599990000; x=1599999999"
# What a signature says, and what comes of it. Each differs from a good one in one thing.
CASES = [
    ({}, "pass", ""),
    ({"form": "simple/simple"}, "pass", ""),
    ({"form": "simple/relaxed", "key": ED}, "pass", ""),
    ({"tags": f"t={NOW + 60}"}, "pass", ""),
    ({"tags": f"x={NOW}"}, "pass", ""),
    ({"tags": "q=dns/txt:dns/other; z=From:a@b"}, "pass", ""),
    ({"tags": "i=ana=40x@mail.example.com"}, "pass", ""),
    ({"names": "from:from:subject:subject:x-not-there"}, "pass", ""),
    ({"body_hash": b"\0" * 32}, "fail", "the body is not the one"),
    ({"tags": f"t={LATER}"}, "permerror", "made in the future"),
    ({"tags": DUE}, "permerror", "it has expired"),
    ({"tags": "t=1600000000; x=1600000000"}, "neutral", "expires before it was made"),
    ({"tags": "t=now"}, "neutral", "t= is no number"),
    ({"tags": f"x={'9' * 77}"}, "neutral", "x= is no number"),
    ({"tags": "v=1"}, "neutral", "the tag v= comes twice"),
    ({"tags": "q=http"}, "permerror", "cannot be asked for"),
    ({"tags": "i=ana@example.org"}, "permerror", "i= is not under its domain"),
    ({"tags": "i=ana@notexample.com"}, "permerror", "i= is not under its domain"),
    ({"tags": "i=ana"}, "neutral", "i= is no identity"),
    ({"tags": "i=a=0Ab@example.com"}, "neutral", "i= is no identity"),
    ({"names": "to:subject"}, "permerror", "does not sign From"),
    ({"names": ""}, "permerror", "does not sign From"),
    ({"names": "from:t\N{LATIN SMALL LETTER U WITH DIAERESIS}"}, "neutral", "h= is no list of fields"),
    ({"algorithm": "rsa-sha1"}, "policy", "rsa-sha1 is not accepted"),
    ({"algorithm": "rsa-sha512"}, "permerror", "nobody knows its algorithm"),
    ({"algorithm": "ed25519-sha256"}, "permerror", "of another kind than the signature"),
]


@pytest.mark.parametrize(("said", "word", "reason"), CASES)
def test_what_a_signature_says(said: dict[str, object], word: str, reason: str) -> None:
    try:
        header = hand_signed(**said)  # type: ignore[arg-type]
    except UnicodeEncodeError:
        header = hand_signed().replace(b"h=from:to", "h=from:tü".encode())
    [result] = verify(header)
    assert (str(result.word), reason in result.reason) == (word, True), result
    assert bool(result.reason) == (word != "pass")


@pytest.mark.parametrize(
    ("was", "becomes", "word", "reason"),
    [
        (b"v=1;", b"v=2;", "permerror", "another version"),
        (b"v=1;", b"", "permerror", "no tag v="),
        (b" d=example.com;", b"", "permerror", "no tag d="),
        (b" d=example.com;", b" d=;", "neutral", "d= is empty"),
        (b" d=example.com;", b" d=exa mple/com;", "neutral", "d= is no name in DNS"),
        (b" d=example.com;", b" d=" + b"a" * 254 + b";", "neutral", "d= is no name in DNS"),
        (b" s=rsa;", b" s=..;", "neutral", "s= is no name in DNS"),
        (b"c=relaxed/relaxed", b"c=relaxed/nowsp", "neutral", "canonical form"),
        (b"c=relaxed/relaxed", b"c=/", "neutral", "canonical form"),
        (b" bh=", b" bh=~", "neutral", "bh= is not base64"),
        (b"; b=", b"; b=~", "neutral", "b= is not base64"),
        (b"; b=", b"; B=", "permerror", "no tag b="),
        (b"DKIM-Signature:", b"DKIM-Signature: \xff", "neutral", "not UTF-8"),
        (b"From: Ana <ana@example.com>\r\n", b"", "permerror", "no From field"),
        (b"From: Ana", b"From: Bea", "fail", "the header is not the one"),
        (b"To:  bo", b"To: bo", "pass", ""),
        (b"Subject: A  word\r\n\tor two", b"SUBJECT : A word or\ttwo ", "pass", ""),
        (b"From: Ana", b"From: x@evil.test\r\nFrom: Ana", "policy", "2 From fields, and only 1 signed"),
    ],
)
def test_a_signature_changed(was: bytes, becomes: bytes, word: str, reason: str) -> None:
    header = hand_signed()
    assert was in header
    [result] = verify(header.replace(was, becomes, 1))
    assert (str(result.word), reason in result.reason) == (word, True), result


@pytest.mark.parametrize(
    ("records", "word", "reason"),
    [
        ([("TXT", RECORD)], "pass", ""),
        ([("TXT", "")], "permerror", "has no key"),
        ([("CNAME", "keys.example.net")], "pass", ""),
        ([("TXT", RECORD.replace("v=DKIM1; ", "v=DKIM1; t=y; "))], "pass", ""),
        ([("TXT", "something else"), ("TXT", RECORD)], "pass", ""),
        ([("TXT", f"n={number}") for number in range(5)] + [("TXT", RECORD)], "permerror", "has no key"),
        ([("TXT", "v=DKIM1; p=")], "permerror", "the key is revoked"),
        ([("TXT", "v=spf1 -all")], "permerror", "the key record"),
        ([("TXT", public_record(public(2048)))], "fail", "with this key"),
        ([("TXT", public_record(public(512)))], "policy", "512 bits"),
        ([("TXT", public_record(public(16384)))], "policy", "16384 bits"),
        ([("TXT", ed25519_key().dns_record().text)], "permerror", "another kind"),
        ([TIMEOUT], "temperror", "cannot be looked up at the moment"),
        ([("A", "192.0.2.1")], "permerror", "there is no key"),
        (None, "permerror", "there is no key"),
    ],
)
def test_keys_in_dns(records: list[tuple[str, object]] | None, word: str, reason: str) -> None:
    names = {"keys.example.net": [("TXT", RECORD)]}
    resolver = Zone(names if records is None else {KEY_NAME: records, **names})
    [result] = verify(hand_signed(), resolver=resolver)
    assert (str(result.word), reason in result.reason) == (word, True), result


@pytest.mark.parametrize(("identity", "word"), [("@example.com", "pass"), ("a@mail.example.com", "permerror")])
def test_a_key_for_one_domain_only(identity: str, word: str) -> None:
    resolver = Zone({KEY_NAME: [("TXT", RECORD.replace("; p=", "; t=s; p="))]})
    [result] = verify(hand_signed(tags=f"i={identity}"), resolver=resolver)
    assert result.word == word


def test_a_testing_key_says_so() -> None:
    resolver = Zone({KEY_NAME: [("TXT", RECORD.replace("; p=", "; t=y; p="))]})
    [result] = verify(hand_signed(), resolver=resolver)
    assert result.testing


@pytest.mark.parametrize(
    ("length", "added", "word", "unsigned", "reason"),
    [
        (21, b"", "pass", 0, ""),
        (21, b"more\r\n", "policy", 10, "10 octets at the end of the body are not signed"),
        (5, b"", "policy", 16, "16 octets"),
        (0, b"", "policy", 21, "21 octets"),
        (22, b"", "permerror", 0, "it signs more than the body has"),
    ],
)
def test_signatures_of_a_part_of_the_body(length: int, added: bytes, word: str, unsigned: int, reason: str) -> None:
    header = hand_signed(tags=f"l={length}")
    [result] = verify(header, BODY + added)
    assert (str(result.word), result.unsigned_octets) == (word, unsigned)
    assert reason in result.reason
    if word == "policy":
        case = run(dkim.prepare(header, zone(rsa_key()), now=NOW))
        [taken] = dkim.judge(case, hash_bodies(case.bodies, [BODY + added]), accept_partial=True)
        assert (taken.word, taken.unsigned_octets) == (DkimWord.PASS, unsigned)


def test_no_signature() -> None:
    [result] = verify(HEADER)
    assert result.word is DkimWord.NONE
    case = run(dkim.prepare(HEADER, Zone({}), now=NOW))
    assert case.bodies == frozenset()


def test_a_thousand_signatures_cost_ten() -> None:
    signed = hand_signed().removesuffix(HEADER)
    many = b"".join(signed.replace(b"s=rsa", b"s=r%d" % number) for number in range(1000))
    resolver = zone(rsa_key())
    results = verify(many + HEADER, resolver=resolver)
    assert words(results) == ["permerror"] * MAX_SIGNATURES + ["policy"]
    assert results[-1].reason == "990 more signatures were not looked at"
    assert len(resolver.asked) == MAX_SIGNATURES


def test_the_same_signature_a_thousand_times_is_one() -> None:
    header = hand_signed()
    assert words(verify(header.removesuffix(HEADER) * 1000 + HEADER)) == ["pass"]


def test_signatures_with_as_many_forms_of_the_body_share_one_pass() -> None:
    fields = b"".join(hand_signed(tags=f"l={length}").removesuffix(HEADER) for length in range(14, 22))
    read = []

    def pieces() -> "list[bytes]":
        read.append(1)
        return [BODY]

    results = run(dkim.verify((fields + HEADER, lambda: iter(pieces())), zone(rsa_key()), now=NOW))
    assert words(results) == ["policy"] * 7 + ["pass"]
    assert read == [1]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"X: " + b"a" * MAX_HEADER_OCTETS, "larger than 1 MiB"),
        (b"X: a\r\n" * (MAX_FIELDS + 1), f"more than {MAX_FIELDS} fields"),
    ],
)
def test_headers_beyond_limits(header: bytes, reason: str) -> None:
    [result] = verify(header + hand_signed())
    assert result.word is DkimWord.POLICY
    assert reason in result.reason


def test_a_megabyte_of_one_field_is_judged() -> None:
    header = HEADER + b"X-Long: " + b" \t" * 450_000 + b"x\r\n"
    assert words(verify(hand_signed(header, names="from:x-long"))) == ["pass"]
    many = HEADER + b"X-Many: a\r\n" * 4000
    names = ":".join(["from", *["x-many"] * 1000])
    assert words(verify(hand_signed(many, names=names))) == ["pass"]


@pytest.mark.parametrize("names", ["from:x-dup", "from:x-dup:x-dup", "from:x-dup:x-dup:x-dup"])
def test_fields_that_come_twice_are_taken_from_the_end(names: str) -> None:
    header = HEADER + b"X-Dup: first\r\nX-Dup: last\r\n"
    signed = hand_signed(header, names=names)
    count = names.count("x-dup")
    assert words(verify(signed)) == ["pass"]
    assert words(verify(signed.replace(b"last", b"lost"))) == ["fail"]
    assert words(verify(signed.replace(b"first", b"fist"))) == ["pass" if count == 1 else "fail"]
    assert words(verify(b"X-Dup: new\r\n" + signed)) == ["pass" if count < 3 else "fail"]


def test_line_ends_of_unix_are_read_as_fields() -> None:
    header = sign(HEADER, whole(BODY), [rsa_key()], now=NOW, canonicalization=Form(True, True)) + HEADER
    assert words(verify(header.replace(b"\r\nTo:", b"\nTo:"))) == ["pass"]


def test_keys_are_remembered_between_messages() -> None:
    keys = KeyCache()
    for _ in range(2):
        case = run(dkim.prepare(hand_signed(), zone(rsa_key()), now=NOW, keys=keys))
        assert words(dkim.judge(case, hash_bodies(case.bodies, [BODY]))) == ["pass"]
    assert len(keys) == 1
