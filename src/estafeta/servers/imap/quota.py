"""What the commands on quotas have in common (RFC 9208).

Each account is one quota root with the address of its user; `""` stands for one's own. The mailboxes of `#shared/` are
one more, without limits. STORAGE counts units of 1,024 octets, MESSAGE messages; what has no limit is not listed.
"""

from dataclasses import dataclass

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import SHARED, AccountId
from estafeta.mailboxes.look import usage
from estafeta.protocols.imap.encode import encode_astring
from estafeta.servers.imap.folders import Sight
from estafeta.servers.imap.people import People
from estafeta.storage.database import Database

SHARED_ROOT = "#shared"
UNIT = 1024


@dataclass(frozen=True, slots=True)
class Root:
    """A quota root. Limits of 0 are none."""

    account_id: AccountId
    name: str
    quota_bytes: int = 0
    quota_messages: int = 0


def root_of(people: People, account_id: AccountId) -> Root:
    """The root that the mailboxes of an account belong to. NOT_FOUND. For threads."""
    if account_id == SHARED:
        return Root(SHARED, SHARED_ROOT)
    person = people.person(account_id)
    if person is None:
        raise EstafetaError(Kind.NOT_FOUND, "There is no such quota root.")
    return Root(account_id, person.address, person.quota_bytes, person.quota_messages)


def find_root(people: People, sight: Sight, name: str) -> Root:
    """The root of this name. NOT_FOUND; PERMISSION for those of others, but for administrators. For threads."""
    if name.lower() == SHARED_ROOT:
        return Root(SHARED, SHARED_ROOT)
    if not name:
        return root_of(people, sight.account_id)
    person = people.find(name)
    if person is None or (person.account_id != sight.account_id and not sight.administrator):
        raise EstafetaError(Kind.NOT_FOUND, "There is no such quota root, or it is not yours.")
    return root_of(people, person.account_id)


def quota_line(database: Database, root: Root) -> bytes:
    """`QUOTA root (STORAGE 10 512)`. For threads."""
    octets, messages = usage(database, root.account_id)
    resources = []
    if root.quota_bytes:
        resources.append(b"STORAGE %d %d" % (_units(octets), _units(root.quota_bytes)))
    if root.quota_messages:
        resources.append(b"MESSAGE %d %d" % (messages, root.quota_messages))
    return b"QUOTA %b (%b)" % (encode_root(root), b" ".join(resources))


def encode_root(root: Root) -> bytes:
    """Its name as an astring."""
    return encode_astring(root.name.encode())


def _units(octets: int) -> int:
    return -(-octets // UNIT)
