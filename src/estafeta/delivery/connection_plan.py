"""How a message goes to a server with certain extensions: its commands, and what of it cannot go at all. Pure.

What a server lacks, and what we do:

    SMTPUTF8     addresses whose local parts are ASCII go with their domains as A-labels, if the message itself is
                 ASCII; else the recipients fail with 5.6.7 (RFC 6531 3.5, 3.6)
    8BITMIME     the content is encoded anew in 7 bits (RFC 6152 3)
    BINARYMIME   the same (RFC 3030 3)
    SIZE         a message larger than it says fails with 5.3.4, unsent (RFC 1870 6)
    REQUIRETLS   a message that wants it fails with 5.7.30 (RFC 8689 4.2.1)
    DSN          RET, ENVID, NOTIFY and ORCPT stay here (RFC 3461 5.2.2)
"""

from typing import NamedTuple

from estafeta.delivery.values import Receiver, ReplyInfo, Transmission
from estafeta.mail.address import domain_key
from estafeta.protocols.smtp.client_commands import check_path, encode_mail, encode_rcpt
from estafeta.protocols.smtp.client_extensions import Extensions
from estafeta.queue.values import EntryFlag

# As numbers: asking an IntFlag costs ten times as much, and every message is asked.
_EIGHT_BIT = int(EntryFlag.EIGHT_BIT)
_UTF8 = int(EntryFlag.UTF8)
_BINARY = int(EntryFlag.BINARY)
_REQUIRE_TLS = int(EntryFlag.REQUIRE_TLS)


class Offer(NamedTuple):
    """What the server `host` offers, in a session `tls` or not, to a client that does `chunking` or not."""

    host: str
    extensions: Extensions
    tls: bool
    chunking: bool = True

    @property
    def binary(self) -> bool:
        """Whether BODY=BINARYMIME can be sent."""
        return self.extensions.binary and self.chunking


class Plan(NamedTuple):
    """Commands. `rcpts` has one for each recipient, b"" where `refusals` says why there is none."""

    mail: bytes
    rcpts: tuple[bytes, ...]
    refusals: tuple[ReplyInfo | None, ...]


def wants_seven_bit(flags: EntryFlag, offer: Offer) -> bool:
    """Whether the content has to be encoded anew before it is sent."""
    needs = int(flags)
    if needs & _BINARY and not offer.binary:
        return True
    return bool(needs & _EIGHT_BIT) and not offer.extensions.eight_bit


def plan_transmission(message: Transmission, offer: Offer, size: int, ascii_header: bool) -> Plan:
    """The commands for `message`, whose content has `size` octets as it will be sent. `ascii_header`: its header is
    known to be ASCII, whatever its flags say."""
    extensions, flags = offer.extensions, int(message.flags)
    refusal = _refuse_message(message, offer, size)
    if refusal is not None:
        return _nothing(message, refusal)
    sender, receivers, utf8 = message.sender, message.recipients, False
    if flags & _UTF8 or not _all_ascii(message):
        utf8 = extensions.smtputf8
        if not utf8:
            sender = _ascii_address(message.sender)
            if not sender.isascii() or (flags & _UTF8 and not ascii_header):
                return _nothing(message, _no_utf8(offer.host))
            receivers = tuple(receiver._replace(address=_ascii_address(receiver.address)) for receiver in receivers)
    if not check_path(sender):
        return _nothing(message, ReplyInfo(0, "5.1.7", "The sender address cannot be sent by SMTP.", "MAIL"))
    mail = encode_mail(
        sender,
        size=size if extensions.size_offered else -1,
        body=_body(flags, offer),
        utf8=utf8,
        require_tls=bool(flags & _REQUIRE_TLS),
        ret=message.ret if extensions.dsn else "",
        envid=message.envid if extensions.dsn else "",
    )
    rcpts, refusals = [], []
    for receiver in receivers:
        refusal = _refuse_receiver(receiver, offer.host, utf8=utf8)
        refusals.append(refusal)
        rcpts.append(b"" if refusal else _rcpt(receiver, dsn=extensions.dsn, utf8=utf8))
    return Plan(mail, tuple(rcpts), tuple(refusals))


def _refuse_message(message: Transmission, offer: Offer, size: int) -> ReplyInfo | None:
    extensions = offer.extensions
    if int(message.flags) & _REQUIRE_TLS and not (offer.tls and extensions.require_tls):
        # RFC 8689 5: REQUIRETLS support required.
        text = f"The sender demands REQUIRETLS, which the server {offer.host} does not offer."
        return ReplyInfo(0, "5.7.30", text, "EHLO")
    if extensions.size and size > extensions.size:
        text = f"The message has {size} octets and the server {offer.host} takes at most {extensions.size}."
        return ReplyInfo(0, "5.3.4", text, "EHLO")
    return None


def _refuse_receiver(receiver: Receiver, host: str, *, utf8: bool) -> ReplyInfo | None:
    if not utf8 and not receiver.address.isascii():
        return _no_utf8(host)
    if not check_path(receiver.address):
        return ReplyInfo(0, "5.1.3", "The recipient address cannot be sent by SMTP.", "RCPT")
    return None


def _no_utf8(host: str) -> ReplyInfo:
    # RFC 6531 3.5 and 4.3: 5.6.7, non-ASCII addresses not permitted for that sender or recipient.
    text = (
        f"The server {host} cannot take messages with letters outside ASCII in addresses or in the header (it lacks "
        "SMTPUTF8). Send the message again with plain addresses and an encoded header."
    )
    return ReplyInfo(0, "5.6.7", text, "EHLO")


def _nothing(message: Transmission, refusal: ReplyInfo) -> Plan:
    count = len(message.recipients)
    return Plan(b"", (b"",) * count, (refusal,) * count)


def _rcpt(receiver: Receiver, *, dsn: bool, utf8: bool) -> bytes:
    if dsn:
        return encode_rcpt(receiver.address, notify=receiver.notify, orcpt=receiver.orcpt, utf8=utf8)
    return encode_rcpt(receiver.address)


def _body(flags: int, offer: Offer) -> str:
    if flags & _BINARY and offer.binary:
        return "BINARYMIME"
    if flags & (_EIGHT_BIT | _BINARY) and offer.extensions.eight_bit:
        return "8BITMIME"
    return ""


def _all_ascii(message: Transmission) -> bool:
    return message.sender.isascii() and all(receiver.address.isascii() for receiver in message.recipients)


def _ascii_address(address: str) -> str:
    # RFC 6531 3.2: A-labels and U-labels name the same domain; local parts have no such second form.
    local, at, domain = address.rpartition("@")
    return f"{local}@{domain_key(domain)}" if at and not domain.isascii() else address
