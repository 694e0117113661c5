"""ARC sets made (RFC 8617 5.1): for us and for dkimpy right; who may not seal, does not."""

import dkim as dkimpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_arc import CHAIN, SEALERS, lines, sealed, validate
from test_dkim_sign import FIELDS, LINES, made, text_of

from estafeta.trust.arc import ChainStatus
from estafeta.trust.arcseal import seal
from estafeta.trust.arcsets import MAX_SETS
from estafeta.trust.fields import MAX_HEADER_OCTETS
from signed_kit import BODY, HEADER, NOW, ed25519_key, hand_signed, rsa_key, whole

OURS = rsa_key("one.example", "s1")
AUTH = "mx.one.example; spf=pass smtp.mailfrom=example.com; dkim=pass header.d=example.com"


def published(name: bytes, timeout: int = 5) -> bytes:
    records = (key.dns_record() for key in (*SEALERS, OURS))
    return next((record.text.encode() for record in records if name.decode() == f"{record.name}."), b"")


@settings(max_examples=40, deadline=None)
@given(fields=FIELDS, lines=LINES, sets=st.integers(1, 3))
def test_dkimpy_finds_our_chains_right(fields: list[tuple[str, str]], lines: list[str], sets: int) -> None:
    # dkimpy knows no Ed25519 in ARC, and makes another thing of a body of white space alone.
    header, body = made(fields), text_of([*lines, "end"])
    header = sealed(header, body, [OURS] * sets)
    assert validate(header, body).status is ChainStatus.PASS
    cv, _, reason = dkimpy.arc_verify(header + b"\r\n" + body, dnsfunc=published)
    assert cv == b"pass", reason


def test_what_a_set_looks_like() -> None:
    fields = seal(hand_signed(), whole(BODY), AUTH, "none", OURS, NOW, headers=("From", "Cc")).decode()
    assert fields.startswith("ARC-Seal: i=1; a=rsa-sha256; t=1600000000; cv=none;\r\n\td=one.example; s=s1;\r\n\tb=")
    assert (
        "\r\nARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed;\r\n\td=one.example; s=s1;\r\n\tt=1600000000;"
        "\r\n\th=From:From:Cc:DKIM-Signature;\r\n\tbh="
    ) in fields
    assert fields.endswith(
        "\r\nARC-Authentication-Results: i=1;\r\n\tmx.one.example;\r\n\tspf=pass smtp.mailfrom=example.com;"
        "\r\n\tdkim=pass header.d=example.com\r\n"
    )
    assert max(map(len, fields.split("\r\n"))) <= 78


def test_results_that_are_folded_stay_so() -> None:
    fields = seal(HEADER, whole(BODY), "mx.one.example;\r\n\tspf=pass\r\n\t reason=x", "none", OURS, NOW)
    assert b"i=1;\r\n\tmx.one.example;\r\n\tspf=pass\r\n\t reason=x\r\n" in fields


def test_a_broken_chain_is_sealed_as_broken_once() -> None:
    broken = CHAIN.replace(b"From: Ana", b"From: Eva")
    header = seal(broken, whole(BODY), AUTH, "fail", OURS, NOW) + broken
    assert b"ARC-Seal: i=4" in header
    assert validate(header).reason == "the sealer of set 4 found the chain broken"
    assert seal(header, whole(BODY), AUTH, "fail", OURS, NOW) == b""


@pytest.mark.parametrize("was", [b"ARC-Seal: i=2", b"ARC-Message-Signature: i=3"])
def test_a_chain_without_some_fields_is_sealed_as_broken(was: bytes) -> None:
    [field] = lines(CHAIN, was)
    header = CHAIN.replace(field, b"")
    assert seal(header, whole(BODY), AUTH, "fail", OURS, NOW).startswith(b"ARC-Seal: i=4")
    with pytest.raises(ValueError, match="a set is not complete"):
        seal(header, whole(BODY), AUTH, "pass", OURS, NOW)


@pytest.mark.parametrize(("header", "cv"), [(HEADER, "pass"), (CHAIN, "none"), (HEADER, "maybe"), (HEADER, "")])
def test_a_chain_that_does_not_fit(header: bytes, cv: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be sealed with cv={cv}"):
        seal(header, whole(BODY), AUTH, cv, OURS, NOW)


def test_nobody_seals_after_fifty() -> None:
    chain = sealed(keys=[ed25519_key()] * MAX_SETS)
    assert seal(chain, whole(BODY), AUTH, "pass", OURS, NOW) == b""


@pytest.mark.parametrize("results", ["", " ", "a\r\nX: y", "a\nb", "a\0b"])
def test_results_that_are_no_value_of_a_field(results: str) -> None:
    with pytest.raises(ValueError, match="the value of a field"):
        seal(HEADER, whole(BODY), results, "none", OURS, NOW)


def test_a_header_beyond_limits() -> None:
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        seal(b"From: a@b\r\nX: " + b"x" * MAX_HEADER_OCTETS, whole(BODY), AUTH, "none", OURS, NOW)


@given(
    st.lists(
        st.sampled_from([*lines(CHAIN, b"ARC-"), b"ARC-Seal: i=4; cv=fail\r\n", b"ARC-Seal: x\r\n", b"A:\r\n"]),
        max_size=8,
    )
)
def test_any_heap_of_fields_is_sealed_or_refused(fields: list[bytes]) -> None:
    header = b"".join(fields) + HEADER
    result = validate(header)
    cv = str(result.status)
    made = seal(header, whole(BODY), AUTH, cv, SEALERS[1], NOW) if cv != "none" or b"ARC-" not in header else b""
    assert made == b"" or validate(made + header).status == ("fail" if cv == "fail" else "pass")
