"""DANE: which records are usable, and which chains satisfy them (RFC 7672)."""

import hashlib

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from estafeta.dns.values import Tlsa
from estafeta.trust.dane import check_chain, usable
from estafeta.trust.results import ResultType
from tls_kit import NOW, Issued, make

ROOT = make("Root", ca=True)
MIDDLE = ROOT.issue("Middle", ca=True)
LEAF = MIDDLE.issue("mx.example.org")
NAMES = ("mx.example.org", "example.org")


def record(usage: int, selector: int, matching: int, of: Issued) -> Tlsa:
    data = of.spki if selector else of.der
    if matching:
        data = hashlib.new("sha256" if matching == 1 else "sha512", data).digest()
    return Tlsa(usage, selector, matching, data)


def result(records: list[Tlsa], of: Issued, names: tuple[str, ...] = NAMES) -> ResultType | None:
    failure = check_chain(records, of.chain, names, NOW)
    return None if failure is None else failure.result


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize(("usage", "of"), [(3, LEAF), (2, MIDDLE), (2, ROOT)])
def test_all_kinds_of_records_match(usage: int, selector: int, matching: int, of: Issued) -> None:
    wanted = record(usage, selector, matching, of)
    assert usable([wanted]) == (wanted,)
    assert result([wanted], LEAF) is None
    assert result([wanted], make("mx.example.org")) is ResultType.VALIDATION_FAILURE


def test_an_end_entity_needs_neither_name_nor_date() -> None:
    old = make("whatever.test", days=(-40, -10))
    assert result([record(3, 1, 1, old)], old) is None


def test_an_anchor_needs_name_and_dates() -> None:
    anchor = [record(2, 0, 1, ROOT)]
    assert result(anchor, MIDDLE.issue("other.test")) is ResultType.HOST_MISMATCH
    assert result(anchor, MIDDLE.issue("x", hosts=["*.example.org"])) is None
    assert result(anchor, MIDDLE.issue("x", hosts=["example.org"])) is None, "the next hop's own name will do"
    assert result(anchor, MIDDLE.issue("mx.example.org", hosts=[])) is ResultType.HOST_MISMATCH
    assert result(anchor, MIDDLE.issue("mx.example.org", days=(-9, -1))) is ResultType.EXPIRED
    assert result(anchor, MIDDLE.issue("mx.example.org", days=(1, 9))) is ResultType.VALIDATION_FAILURE
    old = ROOT.issue("Old", ca=True, days=(-9, -1))
    assert result(anchor, old.issue("mx.example.org")) is ResultType.EXPIRED


def test_an_anchor_must_be_one_that_may_issue() -> None:
    anchor = [record(2, 0, 1, ROOT)]
    fake = ROOT.issue("evil.test")
    assert result(anchor, fake.issue("mx.example.org")) is ResultType.VALIDATION_FAILURE, "signed by no CA"
    short = make("Short", ca=True, path_length=0)
    deep = short.issue("Deep", ca=True).issue("mx.example.org")
    assert result([record(2, 0, 1, short)], deep) is ResultType.VALIDATION_FAILURE, "longer than the CA allows"
    assert result([record(2, 0, 1, short)], short.issue("mx.example.org")) is None
    usage = x509.KeyUsage(True, *([False] * 8))
    weak = make("Weak", ca=True, extensions=[usage])
    assert result([record(2, 0, 1, weak)], weak.issue("mx.example.org")) is ResultType.VALIDATION_FAILURE
    bound = make("Bound", ca=True, extensions=[x509.NameConstraints([x509.DNSName("a.test")], None)])
    assert result([record(2, 0, 1, bound)], bound.issue("mx.example.org")) is ResultType.VALIDATION_FAILURE
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    assert result(anchor, MIDDLE.issue("mx.example.org", extensions=[client])) is ResultType.VALIDATION_FAILURE
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    assert result(anchor, MIDDLE.issue("mx.example.org", extensions=[server])) is None


def test_the_chain_may_be_incomplete_or_in_disorder() -> None:
    bare = Issued(LEAF.certificate, LEAF.key)
    assert result([record(2, 0, 1, ROOT)], bare) is ResultType.VALIDATION_FAILURE
    assert result([record(2, 0, 0, MIDDLE)], bare) is None, "the anchor is whole in DNS"
    upside_down = [LEAF.der, ROOT.der, MIDDLE.der]
    assert check_chain([record(2, 0, 1, ROOT)], upside_down, NAMES, NOW) is None
    unrelated = [LEAF.der, make("Other", ca=True).der, ROOT.der]
    assert check_chain([record(2, 0, 1, ROOT)], unrelated, NAMES, NOW) is not None


def test_a_self_signed_certificate_is_no_anchor_of_itself() -> None:
    own = make("mx.example.org")
    assert result([record(2, 0, 1, own)], own) is ResultType.VALIDATION_FAILURE


UNUSABLE = [
    Tlsa(0, 0, 1, b"x" * 32),
    Tlsa(1, 1, 1, b"x" * 32),
    Tlsa(4, 0, 1, b"x" * 32),
    Tlsa(255, 0, 1, b"x" * 32),
    Tlsa(3, 2, 1, b"x" * 32),
    Tlsa(3, 1, 3, b"x" * 32),
    Tlsa(3, 1, 1, b"x" * 31),
    Tlsa(3, 1, 2, b"x" * 32),
    Tlsa(3, 1, 0, b"no key"),
    Tlsa(2, 0, 0, b"no certificate"),
    Tlsa(3, 1, 1, b""),
]


@pytest.mark.parametrize("unfit", UNUSABLE)
def test_unusable_records(unfit: Tlsa) -> None:
    assert usable([unfit]) == ()


def test_the_weaker_digest_does_not_count() -> None:
    weak, strong, full = record(3, 1, 1, LEAF), record(3, 1, 2, MIDDLE), record(3, 1, 0, ROOT)
    other = record(3, 0, 1, LEAF)
    assert usable([weak, strong, full, other]) == (strong, full, other)


def test_rubbish_in_the_chain() -> None:
    records = [record(3, 1, 1, LEAF), record(2, 1, 1, ROOT)]
    assert check_chain(records, [], NAMES, NOW) is not None
    assert check_chain(records, [b"rubbish"], NAMES, NOW) is not None
    assert check_chain(records[1:], [LEAF.der, b"rubbish", MIDDLE.der, b"", ROOT.der], NAMES, NOW) is None


@given(st.lists(st.binary(max_size=80), max_size=4), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=70))
def test_never_raises(chain: list[bytes], usage: int, matching: int, data: bytes) -> None:
    records = [Tlsa(usage % 5, matching % 3, matching % 4, data)]
    usable(records)
    assert check_chain(records, [*chain, LEAF.der], NAMES, NOW) is not None
