"""DKIM keys of our domains: kept, opened, and moved from one state to the next (`keystates`).

Private keys are kept encrypted under the node's key and bound to their domain and selector, as logins for smarthosts
are (`hostcredentials`), and with the same limit: machines that share a database must share `node.key`, else one cannot
open what another made, and sends unsigned what it would have signed. A removed key has lost its private half; its row
stays until DNS has forgotten the record. Synchronous: for the command line, or a thread. Errors are EstafetaError.
"""

import logging
import secrets
from base64 import b64decode, b64encode
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.keystates import BEFORE, KeyState, Seen, StoredKey
from estafeta.directory.model import Clock
from estafeta.directory.signing_tables import dkim_keys
from estafeta.directory.tables import domains
from estafeta.mail.address import domain_key
from estafeta.storage.database import Database
from estafeta.trust.signingkey import DEFAULT_RSA_BITS, Algorithm, SigningKey

log = logging.getLogger("estafeta.dkim")

#: Announced on the bus when keys changed.
TOPIC = "dkim"
_NONCE_BYTES = 12
# Two algorithms, each with a key in every state, and some tried by hand.
_MAX_KEYS = 30
_MAX_SELECTOR = 63  # the column's width


class SigningKeys:
    """See the module. `node_key`: 32 octets."""

    def __init__(self, database: Database, node_key: bytes, clock: Clock) -> None:
        self._database = database
        self._cipher = AESGCM(node_key)
        self._clock = clock

    # What there is

    def list_keys(self, domain: str = "") -> list[StoredKey]:
        """Keys of one domain or of all, oldest first within each."""
        columns = dkim_keys.c
        query = select(dkim_keys).order_by(columns.domain, columns.created_seconds, columns.selector)
        if domain:
            query = query.where(columns.domain == domain_key(domain))
        with self._database.read() as conn:
            return [_stored(row) for row in conn.execute(query)]

    def get_key(self, domain: str, selector: str) -> StoredKey:
        """One key. EstafetaError NOT_FOUND."""
        with self._database.read() as conn:
            return _get(conn, domain_key(domain), selector)

    def own_domains(self) -> list[str]:
        """Domains that are ours, A-labels; aliases of others are among them, and those that take no mail for now."""
        query = select(domains.c.name).order_by(domains.c.name)
        with self._database.read() as conn:
            return list(conn.execute(query).scalars())

    def active_domains(self) -> frozenset[str]:
        """Domains of ours that have active keys."""
        columns = dkim_keys.c
        query = (
            select(columns.domain)
            .join(domains, domains.c.name == columns.domain)
            .where(columns.state == KeyState.ACTIVE)
            .distinct()
        )
        with self._database.read() as conn:
            return frozenset(conn.execute(query).scalars())

    def open_active(self, domain: str) -> tuple[SigningKey, ...]:
        """The keys that sign for a domain of ours, RSA first; () for others.

        One that this node cannot open is left out, and the log says so: mail goes unsigned rather than not at all."""
        columns = dkim_keys.c
        query = (
            select(dkim_keys)
            .join(domains, domains.c.name == columns.domain)
            .where(columns.domain == domain, columns.state == KeyState.ACTIVE)
            .order_by(columns.algorithm.desc(), columns.selector)
        )
        with self._database.read() as conn:
            rows = conn.execute(query).all()
        found = []
        for row in rows:
            try:
                found.append(SigningKey.from_pem(row.domain, row.selector, self._unseal(row), proved=True))
            except (InvalidTag, ValueError):
                log.error(
                    "a DKIM key was made by another node or with another node.key: it does not sign here",
                    extra={"domain": row.domain, "selector": row.selector},
                )
        return tuple(found)

    def locked_keys(self) -> list[StoredKey]:
        """Keys that this machine cannot open: they were made under another node.key."""
        with self._database.read() as conn:
            rows = conn.execute(select(dkim_keys).where(dkim_keys.c.state != KeyState.REMOVED)).all()
        return [_stored(row) for row in rows if not self._opens(row)]

    # Changes

    def create_key(
        self, domain: str, algorithm: Algorithm, *, selector: str = "", bits: int = DEFAULT_RSA_BITS, pem: bytes = b""
    ) -> StoredKey:
        """A new key, prepared; `selector` "" for one made of the date; `pem`: take this one instead.

        EstafetaError INVALID, EXISTS, LIMIT, NOT_FOUND for a domain that is not ours."""
        name = domain_key(domain)
        now = int(self._clock())
        with self._database.read() as conn:
            if conn.execute(select(domains.c.name).where(domains.c.name == name)).first() is None:
                raise EstafetaError(Kind.NOT_FOUND, f"{name} is not one of our domains.")
            chosen = selector.lower() or _free_selector(conn, name, algorithm, now)
        if len(chosen) > _MAX_SELECTOR:
            raise EstafetaError(Kind.INVALID, f"A selector has at most {_MAX_SELECTOR} characters.")
        try:
            key = SigningKey.from_pem(name, chosen, pem) if pem else SigningKey.generate(name, chosen, algorithm, bits)
        except ValueError as error:
            raise EstafetaError(Kind.INVALID, f"This key cannot sign for {name}: {error}.") from None
        nonce = secrets.token_bytes(_NONCE_BYTES)
        data = nonce + self._cipher.encrypt(nonce, key.to_pem(), _bound(name, chosen))
        row = {
            "domain": name,
            "selector": chosen,
            "algorithm": key.algorithm,
            "state": KeyState.PREPARED,
            "record": key.dns_record().text,
            "data": b64encode(data).decode("ascii"),
            "created_seconds": now,
            "changed_seconds": now,
            "seen": Seen.NEVER,
            "asked_seconds": 0,
        }
        taken = EstafetaError(Kind.EXISTS, f"{name} has a key with the selector {chosen} already.")
        try:
            with self._database.write() as tx:
                known = tx.conn.execute(select(dkim_keys.c.selector).where(dkim_keys.c.domain == name)).scalars().all()
                if chosen in known:
                    raise taken
                if len(known) >= _MAX_KEYS:
                    raise EstafetaError(Kind.LIMIT, f"{name} has {_MAX_KEYS} keys already: remove some.")
                tx.conn.execute(insert(dkim_keys).values(**row))
                tx.announce(TOPIC)
                return _get(tx.conn, name, chosen)
        except IntegrityError:
            raise taken from None

    def activate(self, domain: str, selector: str) -> list[StoredKey]:
        """Sign with this key from now on, and no more with others of its kind; those retired are returned."""
        columns = dkim_keys.c
        with self._database.write() as tx:
            # All of the domain at once: on PostgreSQL another machine may be about to do the same with another key.
            tx.conn.execute(select(columns.selector).where(columns.domain == domain_key(domain)).with_for_update())
            key = self._move(tx.conn, domain, selector, KeyState.ACTIVE)
            others = select(columns.selector).where(
                columns.domain == key.domain,
                columns.algorithm == key.algorithm,
                columns.state == KeyState.ACTIVE,
                columns.selector != key.selector,
            )
            before = tx.conn.execute(others).scalars().all()
            tx.announce(TOPIC)
            return [self._move(tx.conn, key.domain, one, KeyState.RETIRED) for one in before]

    def move(self, domain: str, selector: str, state: KeyState) -> StoredKey:
        """Bring a key into another state; REMOVED erases its private half. EstafetaError INVALID where that is no way
        to go, NOT_FOUND."""
        with self._database.write() as tx:
            tx.announce(TOPIC)
            return self._move(tx.conn, domain, selector, state)

    def erase(self, domain: str, selector: str) -> StoredKey:
        """Remove a key from whatever state it is in, at once: it may be known to others."""
        with self._database.write() as tx:
            key = _get(tx.conn, domain_key(domain), selector)
            self._put(tx.conn, key, KeyState.REMOVED)
            tx.announce(TOPIC)
            return _get(tx.conn, key.domain, selector)

    def forget(self, domain: str, selector: str) -> None:
        """Drop the row of a removed key, whose record is no longer in DNS."""
        with self._database.write() as tx:
            where = (*_same(domain_key(domain), selector), dkim_keys.c.state == KeyState.REMOVED)
            tx.conn.execute(delete(dkim_keys).where(*where))

    def note_seen(self, domain: str, selector: str, seen: Seen) -> int:
        """What DNS said just now, which is returned."""
        now = int(self._clock())
        with self._database.write() as tx:
            where = _same(domain_key(domain), selector)
            tx.conn.execute(update(dkim_keys).where(*where).values(seen=seen, asked_seconds=now))
        return now

    def _move(self, conn: Connection, domain: str, selector: str, state: KeyState) -> StoredKey:
        key = _get(conn, domain_key(domain), selector)
        if key.state not in BEFORE[state]:
            raise EstafetaError(
                Kind.INVALID, f"The key {selector} of {key.domain} is {key.state}: it cannot become {state} now."
            )
        self._put(conn, key, state)
        return _get(conn, key.domain, selector)

    def _put(self, conn: Connection, key: StoredKey, state: KeyState) -> None:
        values: dict[str, object] = {"state": state, "changed_seconds": int(self._clock())}
        if state is KeyState.REMOVED:
            values["data"] = ""
        # As it was read: on PostgreSQL a daily job and a person may come at the same moment.
        where = (*_same(key.domain, key.selector), dkim_keys.c.state == key.state)
        if conn.execute(update(dkim_keys).where(*where).values(values)).rowcount != 1:
            raise EstafetaError(Kind.EXISTS, "Someone else changed this key at this moment; look and try again.")

    def _opens(self, row: Row[tuple[object, ...]]) -> bool:
        try:
            return bool(self._unseal(row))
        except (InvalidTag, ValueError):
            return False

    def _unseal(self, row: Row[tuple[object, ...]]) -> bytes:
        raw = b64decode(row.data)
        return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(row.domain, row.selector))


def _stored(row: Row[tuple[object, ...]]) -> StoredKey:
    return StoredKey(
        row.domain,
        row.selector,
        row.algorithm,
        KeyState(row.state),
        row.record,
        row.created_seconds,
        row.changed_seconds,
        Seen(row.seen),
        row.asked_seconds,
    )


def _get(conn: Connection, domain: str, selector: str) -> StoredKey:
    row = conn.execute(select(dkim_keys).where(*_same(domain, selector))).first()
    if row is None:
        raise EstafetaError(Kind.NOT_FOUND, f"{domain} has no key with the selector {selector}.")
    return _stored(row)


def _free_selector(conn: Connection, domain: str, algorithm: Algorithm, now: int) -> str:
    """`rsa20261122`, `ed20261122`, `ed20261122-1`: when a key was made can be seen in DNS."""
    base = ("rsa" if algorithm == "rsa-sha256" else "ed") + datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
    taken = set(conn.execute(select(dkim_keys.c.selector).where(dkim_keys.c.domain == domain)).scalars())
    number = 0
    chosen = base
    while chosen in taken:
        number += 1
        chosen = f"{base}-{number}"
    return chosen


def _same(domain: str, selector: str) -> tuple[ColumnElement[bool], ...]:
    return dkim_keys.c.domain == domain, dkim_keys.c.selector == selector


def _bound(domain: str, selector: str) -> bytes:
    return f"dkim {domain} {selector}".encode()
