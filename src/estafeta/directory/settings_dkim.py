"""Settings of signing: DKIM keys and what they sign, ARC seals, and SRS for mail that is sent on."""

from typing import Annotated

from pydantic import AfterValidator, Field

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_fields import HostName
from estafeta.trust.dkimsign import SIGNED
from estafeta.trust.signingkey import Algorithm

_FIELD_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
# RFC 6376 5.4: changed on the way, or made anew behind us, so that the signature would be broken at once.
_NEVER_SIGNED = frozenset({"received", "return-path", "dkim-signature", "authentication-results", "arc-seal"})


def _field_name(text: str) -> str:
    if not text or not set(text) <= _FIELD_NAME:
        raise ValueError(f"{text!r} is not the name of a header field")
    if text.lower() in _NEVER_SIGNED:
        raise ValueError(f"{text} is changed on the way and cannot be signed")
    return text


class Dkim(Section):
    """DKIM (RFC 6376): mail of our users and of the server itself is signed for our domains when it leaves."""

    sign: bool = Field(
        default=True,
        description="Sign mail of our users, networks and lists, and what the server writes itself, for the domain of "
        "its author; each with all active keys of that domain.",
    )
    make_keys: bool = Field(
        default=True,
        description="Make keys for domains that have none, and successors when their time comes. Nothing is signed "
        "before DNS has the record that `estafeta dkim show` prints.",
    )
    algorithms: tuple[Algorithm, ...] = Field(
        default=("rsa-sha256", "ed25519-sha256"),
        description="Kinds of keys that are made. Everybody understands rsa-sha256 (2048 bits); ed25519-sha256 (RFC "
        "8463) has a record that fits anywhere, and who does not know it passes over it.",
    )
    rotate_days: int = Field(
        default=180,
        ge=0,
        le=3650,
        description="A key that has signed for so long is succeeded by a new one. 0: never.",
    )
    announce_days: int = Field(
        default=21,
        ge=1,
        le=365,
        description="A successor is made so long before it is needed, for its record to be published. Until DNS has "
        "it the old key goes on.",
    )
    retired_days: int = Field(
        default=14,
        ge=7,
        le=365,
        description="The record of a key that signs no more is still needed for so long: mail waits in queues.",
    )
    signed_fields: tuple[Annotated[str, AfterValidator(_field_name)], ...] = Field(
        default=SIGNED,
        min_length=1,
        max_length=100,
        description="Header fields that are signed where they are there; From always is, and of those that programs "
        "show nobody can add a second one.",
    )
    unsigned_domains: tuple[HostName, ...] = Field(
        default=(), description="Domains of ours that are not signed for, for which no keys are made."
    )
    default_domain: HostName = Field(
        default="",
        description="Domain of ours that signs what belongs to none of them: what this host writes itself (notices, "
        "reports), seals of mail that is sent on. Empty: this host's own, or the nearest one above it.",
    )
    seal: bool = Field(
        default=True,
        description="Seal mail of strangers that is sent on with what was found when it came (ARC, RFC 8617): its "
        "next server can know that SPF and DMARC were right.",
    )


class Srs(Section):
    """SRS: mail of others that an alias sends on gets a sender address of ours, since SPF lets only us send as us."""

    rewrite: bool = Field(
        default=True,
        description="Rewrite the sender address of such mail. What bounces comes back to us and goes on to the first "
        "sender, for three weeks; addresses made before are understood also when this is off.",
    )
    domain: HostName = Field(
        default="",
        description="Domain of ours that these addresses are in; its SPF record must let this server send. Empty: that "
        "of the address that sends on.",
    )
