"""The envelope of a message: what SMTP says about it, apart from its content (RFC 5321 2.3.1)."""

from dataclasses import dataclass
from enum import StrEnum

from estafeta.mail.address import Address


class BodyKind(StrEnum):
    """What the sender declared about the octets of the content."""

    SEVEN_BIT = "7BIT"
    """RFC 6152 3: lines of ASCII."""
    EIGHT_BIT = "8BITMIME"
    """RFC 6152 3: lines that may hold any octet."""
    BINARY = "BINARYMIME"
    """RFC 3030 3: any octets, no lines."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sent a message and who is to have it. `reverse_path` None is the null path `<>` of notifications."""

    reverse_path: Address | None
    recipients: tuple[Address, ...]
    smtputf8: bool = False
    body: BodyKind = BodyKind.SEVEN_BIT
