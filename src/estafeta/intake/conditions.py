"""What is known of a message besides its content: what it is, where it comes from, what its sender wants, whom it is
for."""

import zlib
from typing import NamedTuple

from estafeta.directory.model import LocalTarget
from estafeta.mail.address import Address
from estafeta.mail.scan import MessageSummary


class Origin(NamedTuple):
    """Where a message comes from, as its Received field and the journal tell it.

    `protocol` is a keyword of RFC 3848; `repair` says that missing fields may be added (submission, RFC 6409 8).
    `client` is the IP address that the Received field shows and `peer` the true one; `login` who signed in.
    """

    protocol: str
    helo: str
    client: str
    tls: str | None = None
    repair: bool = False
    client_name: str = ""
    peer: str = ""
    login: str = ""


class Conditions(NamedTuple):
    """What its sender wants for a message on its way.

    `owner`: whose it is, so that all have their turn (`owner_of`). `release_ms` when it may go (epoch milliseconds, 0:
    now). `language` of notices to the sender. `notice`: it is one itself, of which no notice is made. `trusted`: it
    came from our own users or networks, so its reverse-path is no forgery. `parent`: the message that it was made of.
    `verp`: each recipient gets a reverse-path of its own. `results`: its first Authentication-Results field is ours.
    `stranger`: it is ours, but made of what a stranger wrote.
    """

    owner: int = 0
    utf8: bool = False
    binary: bool = False
    require_tls: bool = False
    notice: bool = False
    envid: str = ""
    ret: str = ""
    release_ms: int = 0
    language: str = ""
    trusted: bool = False
    parent: int = 0
    verp: bool = False
    results: bool = False
    stranger: bool = False


PLAIN = Conditions()


class Message(NamedTuple):
    """A message whose content is known: `ident` as a number, `skip` octets in front that do not go out, `now_ms`;
    `tls_optional`: its header says that TLS is not required (RFC 8689 3); `author` as its From field has it,
    where it goes into quarantine."""

    ident: int
    sender: Address | None
    summary: MessageSummary
    size: int
    skip: int
    now_ms: int
    eight_bit: bool = False
    urgent: bool = False
    tls_optional: bool = False
    author: str = ""


class Onward(NamedTuple):
    """A recipient that does not end in a mailbox here: the key of a next hop, and the address that is said there."""

    hop: str
    address: str


class Recipient(NamedTuple):
    """A recipient that was accepted: the mailboxes here that it means, and the addresses elsewhere.

    `notify` and `orcpt` as RFC 3461 has them."""

    address: Address
    targets: tuple[LocalTarget, ...] = ()
    onward: tuple[Onward, ...] = ()
    notify: str = ""
    orcpt: str = ""


def owner_of(text: str) -> int:
    """A number for whoever is no account of ours: a peer, a domain. Never that of an account, which are above 0."""
    return -1 - zlib.crc32(text.encode("utf-8", "replace"))
