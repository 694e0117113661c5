"""E-mail addresses: the value, its comparison key, and the two ways in (SMTP paths, typed text).

Implements RFC 5321 4.1.2 and 4.1.3 (Path, Mailbox, source routes, address literals), RFC 6531 3.3 (UTF-8 in both
halves). Source routes are read and dropped (RFC 5321 appendix C). A domain given as U-labels and the same one given
as A-labels are equal. Every failure is `EstafetaError(Kind.INVALID, one sentence)`; nothing else is ever raised.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from estafeta.core.errors import EstafetaError, Kind

MAX_PATH_OCTETS = 256
"""RFC 5321 4.5.3.1.3, with the angle brackets."""
MAX_DOMAIN_OCTETS = 255
"""RFC 5321 4.5.3.1.2."""
MAX_LOCAL_OCTETS = 128
"""RFC 5321 4.5.3.1.1 asks every receiver for at least 64 and lets it take more. Bounce addresses of large senders
(VERP, SRS) are longer than 64 often enough that refusing them would lose wanted mail."""
MAX_LABEL_OCTETS = 63
"""RFC 1035 2.3.4."""

# RFC 5321 4.1.2 Dot-string and, loosely, Domain: nearly every path there is.
_PLAIN = re.compile(
    rb"([\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)@([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
)
# RFC 6531 3.3: atext gains every character beyond ASCII.
_DOT_STRING = re.compile(r"[\w!#$%&'*+/=?^`{|}~\x80-\U0010ffff-]+(?:\.[\w!#$%&'*+/=?^`{|}~\x80-\U0010ffff-]+)*")
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*)"')
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_GENERAL_LITERAL = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")
_IDEOGRAPHIC_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")


@dataclass(frozen=True, slots=True, eq=False)
class Address:
    """One address. `local` is the meaning (without quotes and backslashes); `domain` is as it was given, empty
    only for the postmaster of this host (RFC 5321 4.1.1.3), and `[...]` for an address literal.

    Equal when the local parts are the same to the letter and the domains name the same host (RFC 5321 2.4).
    """

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{quote_local(self.local)}@{self.domain}" if self.domain else quote_local(self.local)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Address):
            return NotImplemented
        return self.local == other.local and domain_key(self.domain) == domain_key(other.domain)

    def __hash__(self) -> int:
        return hash((self.local, domain_key(self.domain)))

    @property
    def key(self) -> str:
        """The form to look up by: local part without case, domain in lower case as A-labels."""
        local = self.local
        local = local.lower() if local.isascii() else unicodedata.normalize("NFC", local).casefold()
        return f"{local}@{domain_key(self.domain)}" if self.domain else local


@lru_cache(maxsize=8192)
def quote_local(local: str) -> str:
    """The local part as it is written in a path: quoted only when it must be (RFC 5321 4.1.2)."""
    if _DOT_STRING.fullmatch(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def domain_key(domain: str) -> str:
    """The domain in lower case, labels beyond ASCII as A-labels (RFC 5890 2.3.2.1). Never raises."""
    if domain.isascii():
        return domain.lower()
    folded = unicodedata.normalize("NFKC", domain).translate(_IDEOGRAPHIC_DOTS).lower()
    return ".".join(_a_label(unicodedata.normalize("NFC", label)) for label in folded.split("."))


def _a_label(label: str) -> str:
    """One label by RFC 3492. IDNA 2008 mapping of single characters is left to who registers the name."""
    if label.isascii() or len(label) > MAX_LABEL_OCTETS:
        return label
    try:
        return "xn--" + label.encode("punycode").decode("ascii")
    except UnicodeError:
        return label


def parse_path(data: bytes, *, smtputf8: bool, domain_required: bool = True) -> Address | None:
    """The address of a reverse-path or forward-path, with or without its angle brackets; None for `<>`.

    `smtputf8`: characters beyond ASCII are allowed (RFC 6531 3.3). Without a domain only `postmaster` is an address
    (RFC 5321 4.1.1.3), unless `domain_required` is false. Raises EstafetaError(INVALID).
    """
    content = data
    if data[:1] == b"<":
        if data[-1:] != b">" or len(data) < 2:
            raise _invalid("The address has no closing angle bracket.")
        content = data[1:-1]
    if len(content) + 2 > MAX_PATH_OCTETS:
        raise _invalid(f"The address is longer than {MAX_PATH_OCTETS} octets.")
    if not content:
        return None
    if content[:1] == b"@":
        content = _skip_source_route(content)
    plain = _PLAIN.fullmatch(content)
    if plain is not None:
        local, domain = plain.group(1).decode("ascii"), plain.group(2).decode("ascii")
        _check_lengths(local, domain)
        _check_labels(domain)
        return Address(local, domain)
    return _parse_text(_path_text(content, smtputf8), domain_required)


def parse_address(text: str) -> Address:
    """The address that a person typed, on the command line or in a setting. Raises EstafetaError(INVALID)."""
    address = _parse_text(text.strip(), domain_required=True)
    if not address.domain:
        raise _invalid("The address has no domain; write it as name@example.org.")
    return address


def _skip_source_route(content: bytes) -> bytes:
    # RFC 5321 4.1.2: A-d-l = At-domain *( "," At-domain ), then ":"; appendix C: it is ignored.
    route, colon, rest = content.partition(b":")
    if content.startswith(b"@[") or not colon:
        raise _invalid("The source route before the address is not understood.")
    if not all(re.fullmatch(rb"@[\w.-]+", hop) for hop in route.split(b",")):
        raise _invalid("The source route before the address is not understood.")
    return rest


def _path_text(content: bytes, smtputf8: bool) -> str:
    if not content.isascii() and not smtputf8:
        raise _invalid("The address has characters beyond ASCII, which need SMTPUTF8.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _invalid("The address is not valid UTF-8.") from None


def _parse_text(text: str, domain_required: bool) -> Address:
    local, rest = _take_local(text)
    if not rest:
        if domain_required and local.lower() != "postmaster":
            raise _invalid("The address has no domain.")
        _check_lengths(local, "")
        return Address(local, "")
    if rest[0] != "@":
        raise _invalid("The part of the address before @ is not valid.")
    domain = rest[1:]
    _check_lengths(local, domain)
    if domain.startswith("["):
        _check_literal(domain)
    else:
        _check_labels(domain)
    return Address(local, domain)


def _take_local(text: str) -> tuple[str, str]:
    """The local part's meaning and what follows it."""
    if text.startswith('"'):
        quoted = _QUOTED.match(text)
        if quoted is None or not _is_text(quoted.group(1)):
            raise _invalid("The quoted part of the address is not valid.")
        return re.sub(r"\\(.)", r"\1", quoted.group(1)), text[quoted.end() :]
    dotted = _DOT_STRING.match(text)
    if dotted is None or not _is_text(dotted.group()):
        raise _invalid("The part of the address before @ is not valid.")
    return dotted.group(), text[dotted.end() :]


def _is_text(text: str) -> bool:
    """No control, separator (but the space) or surrogate: nothing that could break a line somewhere."""
    return text.isascii() or text.replace(" ", "").isprintable()


def _check_lengths(local: str, domain: str) -> None:
    if len(local.encode("utf-8", "replace")) > MAX_LOCAL_OCTETS:
        raise _invalid(f"The part of the address before @ is longer than {MAX_LOCAL_OCTETS} octets.")
    if len(domain) > MAX_DOMAIN_OCTETS:
        raise _invalid(f"The domain of the address is longer than {MAX_DOMAIN_OCTETS} octets.")


def _check_labels(domain: str) -> None:
    # RFC 5321 4.1.2 Domain = sub-domain *("." sub-domain); the underscore is seen in the world and harmless.
    ascii_form = domain_key(domain)
    if not domain.isascii() and not (domain.isprintable() and len(ascii_form) <= MAX_DOMAIN_OCTETS):
        raise _invalid("The domain of the address is not valid.")
    for label in ascii_form.split("."):
        if len(label) > MAX_LABEL_OCTETS or _LABEL.fullmatch(label) is None:
            raise _invalid("The domain of the address is not valid.")


def _check_literal(literal: str) -> None:
    """RFC 5321 4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`, or a tag and text for what may come."""
    inside = literal[1:-1]
    try:
        if not literal.endswith("]") or not inside.isascii():
            raise ValueError(literal)
        if inside[:5].lower() == "ipv6:":
            if "%" in inside:
                raise ValueError(literal)
            ipaddress.IPv6Address(inside[5:])
        elif _GENERAL_LITERAL.fullmatch(inside) is None:
            ipaddress.IPv4Address(inside)
    except ValueError:
        raise _invalid("The address literal in brackets is not valid.") from None


def _invalid(sentence: str) -> EstafetaError:
    return EstafetaError(Kind.INVALID, sentence)
