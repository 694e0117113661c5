"""DMARC policy records (RFC 7489 6.3, RFC 9989 4.7): what a domain publishes at `_dmarc.DOMAIN`, read leniently.

Unknown tags are left out; a tag that cannot be read counts as its default (RFC 7489 6.3), but for the policies
themselves, where a mistake makes a record that asks for reports one of `none`, and any other one unusable (6.6.3).
Tags of RFC 9989 (`np`, `psd`, `t`) are read beside those that it took out (`pct`); `ri` is not used.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote

from estafeta.core.remember import remember_short
from estafeta.mail.address import domain_key

_VERSION = re.compile(r"[ \t]*[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
# Such as stand in a header field without quotes.
_MAILTO = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")
_SIZE = re.compile(r"!([0-9]{1,12})([kmgtKMGT]?)\Z")
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
MAX_URIS = 5
"""Addresses of one tag that are used. RFC 7489 6.3 asks for two at least."""
MAX_TXT_OCTETS = 8192
"""What is longer is no record; names servers give up to 64 KiB."""
# Most mail is of few domains; parsed once.
_REMEMBERED_OCTETS = 1024
_REMEMBERED_RECORDS = 1024


class Policy(StrEnum):
    """What a domain asks to be done with mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class ReportUri(NamedTuple):
    """A mail address for reports, and the largest report that it wants (RFC 7489 6.4), 0 for any."""

    address: str
    max_bytes: int = 0

    @property
    def host(self) -> str:
        """The domain, as A-labels in lower case."""
        return domain_key(self.address.rpartition("@")[2])


class DmarcRecord(NamedTuple):
    """A record. `sp`, `np`: None where the record does not say. `fo` as its letters. `psd`: y, n or u. `afrf`: failure
    reports are wanted in the one format there is (`rf`)."""

    p: Policy
    sp: Policy | None = None
    np: Policy | None = None
    strict_dkim: bool = False
    strict_spf: bool = False
    percent: int = 100
    testing: bool = False
    psd: str = "u"
    rua: tuple[ReportUri, ...] = ()
    ruf: tuple[ReportUri, ...] = ()
    fo: frozenset[str] = frozenset("0")
    afrf: bool = True
    text: str = ""

    def for_subdomain(self, exists: bool) -> Policy:
        """The policy for domains below that of the record (RFC 7489 6.3 `sp`, RFC 9989 4.7 `np`)."""
        if not exists and self.np is not None:
            return self.np
        return self.p if self.sp is None else self.sp


class RecordError(ValueError):
    """A DMARC record that cannot be used. The message is a phrase without a full stop."""


class SeveralRecordsError(RecordError):
    """More than one record at a name (RFC 7489 6.6.3 (5))."""


@remember_short(_REMEMBERED_RECORDS, _REMEMBERED_OCTETS)
def is_record(text: bytes) -> bool:
    """Whether a TXT record claims to be a DMARC record: its first tag says v=DMARC1, in these letters."""
    return len(text) <= MAX_TXT_OCTETS and _VERSION.match(text.decode("utf-8", "replace")) is not None


def choose_record(texts: Iterable[bytes]) -> bytes | None:
    """The DMARC record among the TXT records of a name, None for none. Raises SeveralRecordsError."""
    found = [text for text in texts if is_record(text)]
    if len(found) > 1:
        raise SeveralRecordsError("there are several DMARC records")
    return found[0] if found else None


def parse_tags(record: bytes) -> dict[str, str]:
    """The tags behind the version, names in lower case; of one that comes twice the first."""
    tags: dict[str, str] = {}
    for field in record.decode("utf-8", "replace").split(";")[1:]:
        name, equals, value = field.partition("=")
        name = name.strip(" \t").lower()
        if equals and _TAG.fullmatch(name):
            tags.setdefault(name, value.strip(" \t"))
    return tags


@remember_short(_REMEMBERED_RECORDS, _REMEMBERED_OCTETS)
def parse_record(record: bytes) -> DmarcRecord:
    """A record that `choose_record` gave. Raises RecordError."""
    tags = parse_tags(record)
    rua = parse_uris(tags.get("rua", ""))
    policies = {tag: _policy(tags[tag]) for tag in ("p", "sp", "np") if tag in tags}
    wrong = [tag for tag, policy in policies.items() if policy is None]
    if wrong:
        # RFC 7489 6.6.3 (6): as if p=none, if reports are asked for; else it is no policy at all.
        if not rua:
            raise RecordError(f"the tag {wrong[0]}={tags[wrong[0]][:40]!r} of the DMARC record is no policy")
        policies = {}
    percent = tags.get("pct", "")
    return DmarcRecord(
        # RFC 9989 4.7: a record without p is one of p=none.
        p=policies.get("p") or Policy.NONE,
        sp=policies.get("sp"),
        np=policies.get("np"),
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        percent=int(percent) if re.fullmatch(r"0{0,3}(?:[0-9]{1,2}|100)", percent) else 100,
        testing=tags.get("t", "").lower() == "y",
        psd=tags.get("psd", "u").lower(),
        rua=rua,
        ruf=parse_uris(tags.get("ruf", "")),
        fo=_options(tags.get("fo", "")),
        afrf="afrf" in _words(tags.get("rf", "") or "afrf"),
        text=record.decode("utf-8", "replace"),
    )


def parse_uris(value: str) -> tuple[ReportUri, ...]:
    """The mail addresses of a list of URIs (RFC 7489 6.4), in their order; others are left out."""
    found: dict[str, ReportUri] = {}
    for uri in value.split(","):
        uri = uri.strip(" \t")
        size = _SIZE.search(uri)
        scheme, _, rest = (uri[: size.start()] if size else uri).partition(":")
        address = unquote(rest.partition("?")[0])
        if scheme.lower() == "mailto" and _MAILTO.fullmatch(address):
            most = int(size[1]) << _UNITS[size[2].lower()] if size else 0
            found.setdefault(address, ReportUri(address, most))
        if len(found) == MAX_URIS:
            break
    return tuple(found.values())


def _options(value: str) -> frozenset[str]:
    # RFC 7489 6.3: unknown options are left out; without any it is 0.
    return _words(value) & set("01ds") or frozenset("0")


def _words(value: str) -> frozenset[str]:
    return frozenset(word.strip(" \t") for word in value.lower().split(":"))


def _policy(word: str) -> Policy | None:
    try:
        return Policy(word.lower())
    except ValueError:
        return None
