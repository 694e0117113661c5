"""DKIM-Signature fields made (RFC 6376 5): what they cover, and that other implementations and we read each other."""

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estafeta.trust.dkimsign import Form, sign, to_base64
from estafeta.trust.fields import MAX_HEADER_OCTETS, Fields
from estafeta.trust.signingkey import SigningKey
from signed_kit import BODY, HEADER, NOW, ed25519_key, rsa_key, verify, whole, words
from zone_kit import Zone

KEYS = {"rsa": rsa_key(), "ed25519": ed25519_key()}
FORMS = [Form(first, second) for first in (True, False) for second in (True, False)]
# Text of fields and bodies as they come by SMTP: every line ends in CRLF, and none is all white space in a header.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
VALUES = st.lists(TEXT, min_size=1, max_size=4).map("\r\n\t ".join)
NAMES = st.sampled_from(["Subject", "To", "Cc", "X-Other", "List-Id", "Received", "subject"])
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
LINES = st.lists(st.sampled_from(["", " ", "\t", "a", " b  c\t", ".", "üñ", "-- "]) | TEXT, max_size=8)


def made(fields: list[tuple[str, str]]) -> bytes:
    lines = (("From", "ana@example.com"), *fields)
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode()


def text_of(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def published(name: bytes, timeout: int = 5) -> bytes:
    """The keys in DNS, as dkimpy asks for them."""
    for key in KEYS.values():
        if name.decode() == f"{key.dns_record().name}.":
            return key.dns_record().text.encode()
    return b""


def private(key: SigningKey) -> bytes:
    """A private key as dkimpy wants it."""
    if key.algorithm == "rsa-sha256":
        return key.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return to_base64(key.private.private_bytes_raw()).encode()  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", list(KEYS))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(fields=FIELDS, lines=LINES, form=st.sampled_from(FORMS))
def test_what_we_sign_is_right_for_us_and_for_dkimpy(
    kind: str, fields: list[tuple[str, str]], lines: list[str], form: Form
) -> None:
    header, body, key = made(fields), text_of(lines), KEYS[kind]
    signed = sign(header, whole(body), [key], now=NOW, canonicalization=form) + header
    assert words(verify(signed, body)) == ["pass"]
    if form.relaxed_body and not body.strip(b" \t\r\n"):
        return  # dkimpy takes a body of white space alone for an empty line, RFC 6376 3.4.4 for nothing
    assert dkimpy.verify(signed + b"\r\n" + body, dnsfunc=published)


@pytest.mark.parametrize("kind", list(KEYS))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(fields=FIELDS, lines=LINES, form=st.sampled_from(FORMS), length=st.booleans())
def test_what_dkimpy_signs_is_right_for_us(
    kind: str, fields: list[tuple[str, str]], lines: list[str], form: Form, length: bool
) -> None:
    header, body, key = made(fields), text_of([*lines, "end"]), KEYS[kind]
    signature = dkimpy.sign(
        header + b"\r\n" + body,
        key.selector.encode(),
        key.domain.encode(),
        private(key),
        canonicalize=tuple(part.encode() for part in str(form).split("/")),
        signature_algorithm=key.algorithm.encode(),
        include_headers=[b"from", b"subject", b"to", b"x-other", b"from"],
        length=length,
    )
    signed = signature + header
    assert words(verify(signed, body, now=4e9)) == ["pass"]
    assert words(verify(signed, body + b"x", now=4e9)) == ["policy" if length else "fail"]
    assert words(verify(signed.replace(b"ana@", b"eva@"), body, now=4e9)) == ["fail"]


@settings(max_examples=60, deadline=None)
@given(fields=FIELDS, lines=LINES, place=st.integers(0, 10_000), octet=st.integers(0, 255))
def test_one_octet_changed_in_what_is_signed_is_found(
    fields: list[tuple[str, str]], lines: list[str], place: int, octet: int
) -> None:
    """In simple form everything counts but fields that are not named, and empty lines at the end."""
    header, body = made([one for one in fields if one[0].lower() in ("subject", "to")]), text_of([*lines, "end"])
    fields_of = sign(header, whole(body), [ed25519_key()], now=NOW, canonicalization=Form(False, False))
    whole_text = bytearray(header + body)
    place %= len(whole_text) - 2
    if whole_text[place] == octet:
        return
    whole_text[place] = octet
    changed, rest = bytes(whole_text[: len(header)]), bytes(whole_text[len(header) :])
    assert words(verify(fields_of + changed, rest)) != ["pass"]


def test_what_a_signature_of_ours_looks_like() -> None:
    field = sign(HEADER, whole(BODY), [ed25519_key()], now=NOW, expire_seconds=60, headers=("Subject", "Cc", "List-Id"))
    assert field.startswith(
        b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n\td=example.com; s=ed;\r\n"
        b"\tt=1600000000; x=1600000060;\r\n\th=From:From:Subject:Subject:Cc;\r\n\tbh="
    )
    assert field.endswith(b"\r\n")
    assert max(map(len, field.split(b"\r\n"))) <= 78


def test_every_key_makes_a_signature() -> None:
    keys = [rsa_key(), ed25519_key()]
    header = sign(HEADER, whole(BODY), keys, now=NOW) + HEADER
    results = verify(header)
    assert [(one.word, one.algorithm) for one in results] == [("pass", "rsa-sha256"), ("pass", "ed25519-sha256")]
    # Signing again what is signed: the older signatures are not covered, and stay right.
    assert words(verify(sign(header, whole(BODY), [ed25519_key(selector="ed2")], now=NOW) + header)) == [
        "permerror", "pass", "pass",
    ]  # fmt: skip
    assert sign(HEADER, whole(BODY), [], now=NOW) == b""


@pytest.mark.parametrize("name", [b"From", b"Subject", b"To", b"Cc", b"Reply-To", b"Content-Type", b"Message-ID"])
def test_nobody_can_add_a_field_that_readers_believe(name: bytes) -> None:
    header = sign(HEADER, whole(BODY), [rsa_key()], now=NOW) + HEADER
    assert words(verify(name + b": x@evil.test\r\n" + header)) == ["fail"]
    assert words(verify(header + name + b": x@evil.test\r\n")) == ["fail"]


@pytest.mark.parametrize("name", [b"List-Id", b"Received", b"X-Spam", b"Authentication-Results", b"DKIM-Signature"])
def test_servers_on_the_way_can_add_theirs(name: bytes) -> None:
    header = sign(HEADER, whole(BODY), [rsa_key()], now=NOW) + HEADER
    assert "pass" in words(verify(name + b": x\r\n" + header))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "without From"),
        (b"To: bo@example.org\r\n", "without From"),
        (b"From: a@b\r\nX: " + b"x" * MAX_HEADER_OCTETS, "larger than 1 MiB"),
    ],
)
def test_headers_that_cannot_be_signed(header: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        sign(header, whole(BODY), [ed25519_key()], now=NOW)


def test_fields_read_once_give_the_same() -> None:
    ours = [ed25519_key()]
    assert sign(Fields(HEADER), whole(BODY), ours, now=NOW) == sign(HEADER, whole(BODY), ours, now=NOW)


def test_a_body_in_pieces_gives_the_same() -> None:
    pieces = [BODY[:3], BODY[3:4], BODY[4:]]
    ours = [ed25519_key()]
    assert sign(HEADER, lambda: iter(pieces), ours, now=NOW) == sign(HEADER, whole(BODY), ours, now=NOW)
    assert words(verify(sign(HEADER, lambda: iter(pieces), ours, now=NOW) + HEADER, resolver=Zone({}))) == ["permerror"]
