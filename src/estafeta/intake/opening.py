"""What stands in front of a stored message: its way here, what policy says of it, what its program left out."""

from collections.abc import Sequence
from typing import NamedTuple

from estafeta.intake.conditions import Origin, Recipient
from estafeta.mail.address import Address
from estafeta.mail.headers import find_header_end
from estafeta.mail.repair import missing_fields
from estafeta.mail.trace import received, return_path
from estafeta.policy.judgement import Judgement
from estafeta.routing.rewriting import Rewriter


class Coming(NamedTuple):
    """A message that comes in at `now` (epoch seconds), of which only the beginning is there."""

    sender: Address | None
    recipients: Sequence[Recipient]
    origin: Origin
    ident: str
    hostname: str
    now: float


class Opening(NamedTuple):
    """`path`: Return-Path, which does not go out; `front`: trace fields and those of policy; `block`: the beginning of
    the message itself, its header rewritten and mended."""

    path: bytes
    front: bytes
    block: bytes


def write_opening(block: bytes, coming: Coming, rewriter: Rewriter, judgement: Judgement | None) -> Opening:
    """The beginning of a message as it is stored; `block` has its header section."""
    front = _received(coming)
    if judgement is not None:
        front += judgement.front
        block = judgement.cleaned(block)
    if rewriter.has_header_rules:
        block = rewriter.rewrite_header(block)
    added = _missing(block, coming) if coming.origin.repair else b""
    return Opening(return_path(coming.sender), front, added + block if added else block)


def _missing(block: bytes, coming: Coming) -> bytes:
    """The fields that a mail program left out; `block` begins with the header section."""
    end = find_header_end(block)
    header = block if end < 0 else block[:end]
    return missing_fields(header, sender=coming.sender, ident=coming.ident, hostname=coming.hostname, now=coming.now)


def _received(coming: Coming) -> bytes:
    """The field that says which way it came."""
    origin, recipients = coming.origin, coming.recipients
    return received(
        helo=origin.helo,
        client=origin.client,
        client_name=origin.client_name or None,
        by=coming.hostname,
        protocol=origin.protocol,
        ident=coming.ident,
        recipient=str(recipients[0].address) if len(recipients) == 1 else None,
        tls=origin.tls,
        now=coming.now,
    )
