"""A set of an Authenticated Received Chain made (RFC 8617 5.1), for whoever passes a message on."""

from collections.abc import Callable, Iterable, Iterator

from estafeta.trust.arcsets import (
    MAX_SETS,
    MESSAGE,
    RESULTS,
    SEAL,
    ChainError,
    SealDigests,
    collect_sets,
    read_instance,
)
from estafeta.trust.canonical import BodyKey, hash_bodies
from estafeta.trust.dkimsign import (
    SIGNED,
    Form,
    begin_digest,
    finish,
    fold_names,
    fold_signature,
    names_to_sign,
    to_base64,
)
from estafeta.trust.fields import Fields
from estafeta.trust.signature import SignatureError, read_tags
from estafeta.trust.signingkey import SigningKey

_FORM = Form()


def seal(
    header: bytes | Fields,
    pieces: Callable[[], Iterator[bytes]],
    auth_results: str,
    cv: str,
    key: SigningKey,
    now: float,
    headers: Iterable[str] = SIGNED,
) -> bytes:
    """ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results, to be put in front of the header.

    `auth_results`: the value of our Authentication-Results, beginning with our name; folds in it stay. `cv`: what
    `arc.validate` said of the message as it came. `header` and `pieces` are the message as it goes out.

    b"" where nobody may add a set: the newest already says that the chain is broken, or there are fifty. Raises
    ValueError for a header beyond limits, a `cv` that does not fit the chain, and results that are no value of a
    field."""
    fields = header if isinstance(header, Fields) else Fields(header)
    if fields.excess:
        raise ValueError(fields.excess)
    before = _newest(fields)
    if before == MAX_SETS or (before and _says_fail(fields, before)):
        return b""
    if cv not in ("none", "pass", "fail") or (cv == "pass") != (before > 0 and cv != "fail"):
        raise ValueError(f"a chain of {before} sets cannot be sealed with cv={cv}")
    instance = before + 1
    results = f"ARC-Authentication-Results: i={instance};{_folded(auth_results)}".encode()
    message = _message_signature(fields, pieces, instance, key, now, headers)
    digests = SealDigests()
    if cv == "pass":  # RFC 8617 5.1.2: the seal on a broken chain covers its own set only
        try:
            for one in collect_sets(fields):
                digests.add(*(fields.raw[at] for at in (one.results_place, one.message_place, one.seal_place)))
        except ChainError as error:
            raise ValueError(f"this chain cannot be sealed with cv=pass: {error}") from None
    text = f"ARC-Seal: i={instance}; a={key.algorithm}; t={int(now)}; cv={cv};\r\n\td={key.domain}; s={key.selector};"
    begun = f"{text}\r\n\tb=".encode()
    sealed = begun + fold_signature(key.sign(digests.add(results, message, begun)))
    return b"%b\r\n%b\r\n%b\r\n" % (sealed, message, results)


def _newest(fields: Fields) -> int:
    """The highest instance that any field of the chain names, 0 for none."""
    newest = 0
    for kind in (RESULTS, MESSAGE, SEAL):
        for place in fields.places(kind):
            try:
                newest = max(newest, read_instance(kind, fields.raw[place]))
            except ChainError:
                continue
    return newest


def _says_fail(fields: Fields, instance: int) -> bool:
    for place in fields.places(SEAL):
        try:
            tags = read_tags(fields.raw[place].partition(b":")[2], ("i", "cv"))
        except SignatureError:
            continue
        if tags["i"] == str(instance) and tags["cv"] == "fail":
            return True
    return False


def _message_signature(
    fields: Fields,
    pieces: Callable[[], Iterator[bytes]],
    instance: int,
    key: SigningKey,
    now: float,
    headers: Iterable[str],
) -> bytes:
    """RFC 8617 4.1.2: like a DKIM-Signature, over those of the message too; without v=, and never over seals."""
    body = BodyKey(_FORM.relaxed_body)
    body_hash = hash_bodies([body], pieces())[body].digest
    names = names_to_sign(fields, headers)
    names += ["DKIM-Signature"] * len(fields.places(b"dkim-signature"))
    text = (
        f"ARC-Message-Signature: i={instance}; a={key.algorithm}; c={_FORM};\r\n\td={key.domain}; s={key.selector};"
        f"\r\n\tt={int(now)};\r\n\th={fold_names(names)};\r\n\tbh={to_base64(body_hash)};\r\n\tb="
    )
    return finish(text.encode(), begin_digest(fields, names, True), key, True).removesuffix(b"\r\n")


def _folded(text: str) -> str:
    """A value on lines; one that is on a single line is folded between its results."""
    text = text.strip()
    if not text or "\n" in text.replace("\r\n ", "").replace("\r\n\t", "") or "\0" in text:
        raise ValueError("results are the value of a field")
    return "\r\n\t" + (text if "\r\n" in text else text.replace("; ", ";\r\n\t"))
