"""Blocks of sign-ins that all workers and machines share: made by the server after wrong passwords, or by an operator.

A block is for a network (one address is a network too), for a login, or for a login from a network. What the server
makes ends by itself and never refuses a user from everywhere: for a login alone it only counts wrong passwords, by
which sign-ins of that user are slowed down (estafeta.directory.throttle). An operator's block refuses until its end.
Users are kept by their first address, whichever of their addresses they sign in with.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, text

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.changes import Part
from estafeta.directory.restriction_tables import blocks
from estafeta.mail.address import Address
from estafeta.storage.database import Transaction

#: Logins are kept up to here; longer ones share a block, which harms nobody.
MAX_LOGIN = 320
_MAX_REASON = 500


class Block(NamedTuple):
    """A row. `network`: "" for everywhere; `login`: "" for everybody; `until_seconds` 0: for good; `made_by`: "" for
    the server."""

    network: str
    login: str
    begun_seconds: int
    until_seconds: int
    failures: int = 0
    made_by: str = ""
    reason: str = ""


class BlockMethods(Part):
    """What an operator does with blocks. Each change makes workers forget passwords that they have verified."""

    def add_block(self, network: str, login: str, *, seconds: int, made_by: str, reason: str) -> Block:
        """Block a network, a user, or a user from there; 0 seconds: for good. EstafetaError INVALID, NOT_FOUND."""
        if not network and not login:
            raise EstafetaError(Kind.INVALID, "Name an address, a network or a user.")
        with self._changing() as view:
            key = login_key(str(view.user(login).address)) if login else ""
            now = self._now()
            until = now + seconds if seconds else 0
            found = Block(parse_network(network), key, now, until, 0, made_by[:128] or "operator", reason[:_MAX_REASON])
            _remove(view.conn, found.network, found.login)
            view.conn.execute(insert(blocks).values(**found._asdict()))
            return found

    def remove_block(self, network: str, login: str) -> Block:
        """End a block. EstafetaError NOT_FOUND."""
        with self._changing() as view:
            key = login_key(str(view.address(login))) if login else ""
            where = parse_network(network)
            found = [one for one in _read(view.conn) if (one.network, one.login) == (where, key)]
            if not found:
                raise EstafetaError(Kind.NOT_FOUND, "There is no such block: `estafeta block list` has all of them.")
            _remove(view.conn, where, key)
            return found[0]

    def list_blocks(self) -> list[Block]:
        """All that hold now, those that end last in front."""
        with self._reading() as view:
            return [one for one in _read(view.conn) if holds(one, self._clock())]


def holds(block: Block, now: float) -> bool:
    """Whether it has not ended."""
    return not block.until_seconds or block.until_seconds > now


def find_blocks(conn: Connection, login: str, client: str) -> list[Block]:
    """All that are about this login or this client, over or not."""
    columns = blocks.c
    query = select(blocks).where(
        columns.network.in_(("", *networks_of(client))), columns.login.in_(("", login_key(login)))
    )
    return [Block(*row) for row in conn.execute(query)]


def share_block(tx: Transaction, block: Block) -> None:
    """The server's own: a later end takes the place of an earlier one, failures add up; an operator's stays."""
    tx.conn.execute(_SHARE, block._asdict())


def forget_blocks(tx: Transaction, now_seconds: float) -> int:
    """Remove those that have ended; how many they were."""
    columns = blocks.c
    ended = (columns.until_seconds > 0) & (columns.until_seconds <= int(now_seconds))
    return int(tx.conn.execute(delete(blocks).where(ended)).rowcount)


def login_key(login: str) -> str:
    """A login as it is kept."""
    # What a database can hold: neither NUL nor half a surrogate pair.
    typed = login.strip()[:MAX_LOGIN].replace("\0", "?").encode("utf-8", "replace").decode()
    local, at, domain = typed.rpartition("@")
    return (Address(local, domain).key if at else typed.casefold())[:MAX_LOGIN]


def parse_network(text: str) -> str:
    """A network as it is kept; "" for none. EstafetaError INVALID."""
    if not text:
        return ""
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise EstafetaError(Kind.INVALID, f"{text!r} is no address or network such as 192.0.2.0/24.") from None


@lru_cache(maxsize=4096)
def networks_of(client: str) -> tuple[str, ...]:
    """Every network that a client's address is in, from itself to all; none for a Unix socket."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return ()
    address = getattr(address, "ipv4_mapped", None) or address
    return tuple(
        str(ipaddress.ip_network((address, length), strict=False)) for length in range(address.max_prefixlen, -1, -1)
    )


def _read(conn: Connection) -> Sequence[Block]:
    columns = blocks.c
    order = columns.until_seconds == 0, columns.until_seconds
    return [Block(*row) for row in conn.execute(select(blocks).order_by(*(one.desc() for one in order)))]


def _remove(conn: Connection, network: str, login: str) -> None:
    conn.execute(delete(blocks).where(blocks.c.network == network, blocks.c.login == login))


_SHARE = text(
    "INSERT INTO blocks (network, login, begun_seconds, until_seconds, failures, made_by, reason)"
    " VALUES (:network, :login, :begun_seconds, :until_seconds, :failures, '', :reason)"
    " ON CONFLICT (network, login) DO UPDATE SET until_seconds = excluded.until_seconds,"
    # Of a network each worker counts on from what others told; of a user each tells what it counted itself.
    " failures = CASE WHEN blocks.network <> '' OR blocks.until_seconds <= excluded.begun_seconds"
    " THEN excluded.failures ELSE blocks.failures + excluded.failures END, reason = excluded.reason"
    " WHERE blocks.made_by = ''"
)
