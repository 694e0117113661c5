"""Lists of tags (RFC 6376 3.2) and key records (3.6.1): what is read, and in which words the rest is refused."""

import functools

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from estafeta.trust.dkimkeys import KeyCache, KeyRecordError, parse_key
from estafeta.trust.dkimsign import to_base64
from estafeta.trust.signingkey import DnsRecord, SigningKey
from estafeta.trust.tags import MAX_LIST_OCTETS, MAX_TAGS, TagError, compact, parse_tags, split_list
from signed_kit import ed25519_key, public_record, rsa_key

ED25519 = ed25519_key().dns_record().text
P_ED25519 = ED25519.rpartition("p=")[2]


@functools.cache
def public(bits: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    """A number of so many bits: whether it is a product of primes nobody looks."""
    return rsa.RSAPublicNumbers(exponent, (1 << bits - 1) | 1).public_key()


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        (b"", {}),
        (b"a=b", {"a": "b"}),
        (b"a=b;", {"a": "b"}),
        (b" a = b\r\n c ;\r\n\td_1=", {"a": "b c", "d_1": ""}),
        (b"a=b=c; d=e", {"a": "b=c", "d": "e"}),
        (b"b=AB\r\n\tCD ; A=x", {"b": "AB CD", "A": "x"}),
        ("i=jürgen@b".encode(), {"i": "jürgen@b"}),
    ],
)
def test_lists_of_tags(text: bytes, tags: dict[str, str]) -> None:
    assert parse_tags(text) == tags


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a", "a part that is no tag: 'a'"),
        (b"a=b;;c=d", "a part that is no tag: ''"),
        (b"1a=b", "a part that is no tag"),
        (b"a b=c", "a part that is no tag"),
        (b"a=b; a=b", "the tag a= comes twice"),
        (b"a=\xff", "is not UTF-8 text"),
        (b"a=\0", "has control characters"),
        (b"a=b\r\nc=d", "has control characters"),
        (b"a=b\n c", "has control characters"),
        (b"a=" + b"b" * MAX_LIST_OCTETS, "longer than 16 KiB"),
        (b";".join(b"a%d=" % number for number in range(MAX_TAGS + 1)), "more than 64 tags"),
    ],
)
def test_what_is_no_list_of_tags(text: bytes, words: str) -> None:
    with pytest.raises(TagError, match=words):
        parse_tags(text)


@given(st.binary(max_size=60) | st.text("ab=; \t\r\n", max_size=40).map(str.encode))
def test_tags_of_anything(text: bytes) -> None:
    try:
        tags = parse_tags(text)
    except TagError:
        return
    assert parse_tags("; ".join(f"{name}={value}" for name, value in tags.items()).encode()) == tags
    assert all(" " not in compact(value) and ":" not in "".join(split_list(value)) for value in tags.values())


@pytest.mark.parametrize(
    ("record", "algorithm", "bits", "flags"),
    [
        (ED25519, "ed25519", 256, (False, False)),
        (f"k=ed25519; t=y:s; n=a note; p={P_ED25519}", "ed25519", 256, (True, True)),
        (f"v=DKIM1; h=sha1 : sha256; s=email; k=ed25519; t= s ; p={P_ED25519[:9]} {P_ED25519[9:]};", "ed25519", 256,
         (False, True)),
        (public_record(public(1024)), "rsa", 1024, (False, False)),
        (public_record(public(4096), ""), "rsa", 4096, (False, False)),
        (public_record(public(2048), "v=DKIM1; g=*; x_unknown=1; s=*; k=rsa; "), "rsa", 2048, (False, False)),
        (public_record(public(2048), form=PublicFormat.PKCS1), "rsa", 2048, (False, False)),
    ],
)  # fmt: skip
def test_key_records(record: str, algorithm: str, bits: int, flags: tuple[bool, bool]) -> None:
    key = parse_key(record.encode())
    assert (key.algorithm, key.bits, (key.testing, key.exact)) == (algorithm, bits, flags)


_CURVE = ec.generate_private_key(ec.SECP256R1()).public_key()


@pytest.mark.parametrize(
    ("record", "words", "refused"),
    [
        ("", "has no key", False),
        ("hello", "the key record cannot be read", False),
        (f"v=DKIM2; k=ed25519; p={P_ED25519}", "another version", False),
        (f"k=ed25519; v=DKIM1; p={P_ED25519}", "another version", False),
        ("v=DKIM1; k=rsa", "has no key", False),
        ("v=DKIM1; p=", "the key is revoked", False),
        (f"v=DKIM1; k=ed25519; h=sha1; p={P_ED25519}", "not for SHA-256", False),
        (f"v=DKIM1; k=ed25519; s=tlsrpt; p={P_ED25519}", "not for mail", False),
        (f"v=DKIM1; k=ed448; p={P_ED25519}", "of a kind that nobody knows: 'ed448'", False),
        (f"v=DKIM1; k=rsa; p={P_ED25519}", "no RSA key", False),
        ("v=DKIM1; k=ed25519; p=QUJD", "no Ed25519 key", False),
        ("v=DKIM1; p=not~base64", "not base64", False),
        ("v=DKIM1; p=QUJ", "not base64", False),
        (public_record(_CURVE), "no RSA key", False),  # type: ignore[arg-type]
        (public_record(public(512)), "a key of 512 bits is not accepted", True),
        (public_record(public(1023)), "a key of 1023 bits is not accepted", True),
        (public_record(public(16384)), "a key of 16384 bits is not accepted", True),
        (public_record(public(2048, (1 << 80) | 1)), "huge exponent", True),
        (f"{ED25519}; n={'x' * 4096}", "longer than 4 KiB", True),
    ],
)
def test_key_records_that_give_no_key(record: str, words: str, refused: bool) -> None:
    with pytest.raises(KeyRecordError, match=words) as error:
        parse_key(record.encode())
    assert error.value.refused == refused


@given(st.binary(max_size=80))
def test_keys_of_anything(octets: bytes) -> None:
    for kind in ("rsa", "ed25519"):
        try:
            parse_key(f"v=DKIM1; k={kind}; p={to_base64(octets)}".encode())
        except KeyRecordError:
            continue


def test_keys_are_remembered_and_the_least_used_forgotten() -> None:
    keys = KeyCache(2)
    records = [ed25519_key(selector=name).dns_record().text.encode() for name in ("a", "b", "c")]
    first = keys.parse(records[0])
    keys.parse(records[1])
    assert keys.parse(records[0]) is first
    keys.parse(records[2])
    assert keys.parse(records[0]) is first
    assert len(keys) == 2
    with pytest.raises(KeyRecordError):
        keys.parse(b"p=")
    assert len(keys) == 2


@pytest.mark.parametrize("key", [rsa_key(), rsa_key(bits=1024), ed25519_key()], ids=["rsa", "short", "ed25519"])
def test_a_private_key_and_its_record_belong_together(key: SigningKey) -> None:
    record = key.dns_record()
    assert record.name == f"{key.selector}._domainkey.{key.domain}"
    public_half = parse_key(record.text.encode())
    digest = bytes(range(32))
    assert public_half.verify(key.sign(digest), digest)
    assert not public_half.verify(key.sign(digest), digest[::-1])
    assert not public_half.verify(b"", digest)
    again = SigningKey.from_pem(key.domain, key.selector, key.to_pem())
    assert again.dns_record() == record
    assert "".join(record.strings) == record.text
    assert all(len(part) <= 255 for part in record.strings)
    assert record.zone_line().startswith(f'{record.name}. IN TXT ( "v=DKIM1; k=')


def test_strings_of_a_long_record() -> None:
    record = DnsRecord("a._domainkey.b", "x" * 600)
    assert [len(part) for part in record.strings] == [255, 255, 90]


@pytest.mark.parametrize(
    ("domain", "selector", "words"),
    [
        ("Example.com", "a", "lower case"),
        ("example.com", "a b", "no name in DNS|lower case"),
        ("ä.test", "a", "A-labels"),
    ],
)
def test_names_of_keys(domain: str, selector: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SigningKey(domain, selector, ed25519_key().private)


def test_private_keys_that_no_verifier_takes() -> None:
    with pytest.raises(ValueError, match="1024 to 4096 bits, not 512"):
        SigningKey.generate("a.test", "s", bits=512)
    with pytest.raises(ValueError, match="an RSA or an Ed25519 key"):
        SigningKey("a.test", "s", ec.generate_private_key(ec.SECP256R1()))  # type: ignore[arg-type]
    for pem in (
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
        _CURVE.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ):
        with pytest.raises(ValueError, match="no private key in PEM"):
            SigningKey.from_pem("a.test", "s", pem)
