"""DKIM keys and secrets of the site on both databases, also when several want the same at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.keystates import KeyState, Seen
from estafeta.directory.signingkeys import SigningKeys
from estafeta.directory.sitesecrets import SRS, get_secret
from estafeta.directory.tables import domains
from estafeta.storage.database import Database

NOW = 1_700_000_000.0
ED = "ed25519-sha256"


@pytest.fixture
def keys(database: Database) -> SigningKeys:
    limits = dict.fromkeys(("max_message_bytes", "default_quota_bytes", "default_quota_messages", "max_users"), 0)
    row = {"name": "example.org", "state": "active", "alias_of": "", "catch_all": "", "created_seconds": 1, **limits}
    with database.write() as tx:
        tx.conn.execute(insert(domains).values(**row))
    return SigningKeys(database, bytes(32), lambda: NOW)


def test_a_key_from_its_making_to_its_end(keys: SigningKeys) -> None:
    made = keys.create_key("example.org", ED)
    assert keys.list_keys() == [made]
    keys.note_seen("example.org", made.selector, Seen.THERE)
    assert keys.get_key("example.org", made.selector).asked_seconds == int(NOW)
    keys.move("example.org", made.selector, KeyState.PUBLISHED)
    keys.activate("example.org", made.selector)
    assert keys.active_domains() == {"example.org"}
    assert [key.selector for key in keys.open_active("example.org")] == [made.selector]
    keys.move("example.org", made.selector, KeyState.RETIRED)
    assert keys.active_domains() == frozenset()
    keys.move("example.org", made.selector, KeyState.REMOVED)
    keys.forget("example.org", made.selector)
    assert keys.list_keys() == []


def at_once(database: Database, work: Callable[[Database, int], object], many: int = 4) -> list[EstafetaError | None]:
    """Have several machines, each with connections of its own, do something: what each was told."""

    def one(number: int) -> EstafetaError | None:
        own = Database(database.url)
        try:
            work(own, number)
        except EstafetaError as error:
            return error
        finally:
            own.close()
        return None

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(one, range(many)))


def test_machines_that_activate_at_once_leave_one_signer(database: Database, keys: SigningKeys) -> None:
    for number in range(4):
        keys.create_key("example.org", ED, selector=f"k{number}")
    told = at_once(
        database, lambda own, number: SigningKeys(own, bytes(32), lambda: NOW).activate("example.org", f"k{number}")
    )
    assert None in told
    assert {error.kind for error in told if error is not None} <= {Kind.EXISTS, Kind.TEMPORARY}
    assert len(keys.open_active("example.org")) == 1


def test_who_makes_the_same_selector_second_is_told(database: Database, keys: SigningKeys) -> None:
    told = at_once(
        database,
        lambda own, number: SigningKeys(own, bytes(32), lambda: NOW).create_key("example.org", ED, selector="same"),
    )
    assert sorted("" if one is None else str(one.kind) for one in told) == ["", *["exists"] * 3]
    assert len(keys.list_keys()) == 1


def test_a_secret_is_made_once(database: Database) -> None:
    made: set[bytes] = set()
    told = at_once(database, lambda own, number: made.add(get_secret(own, SRS)), 8)
    assert told == [None] * 8
    assert [len(one) for one in made] == [32]
