"""POP before SMTP: what one worker notes, all know; for as long as the settings say, whatever clocks do."""

from concurrent.futures import Future
from typing import Any

import pytest

from estafeta.directory.model import Service
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_restrictions import RelayRule
from estafeta.directory.settings_smtp import Relay
from estafeta.policy.readers import Readers, address_key, forget_readers, note_readers
from estafeta.storage.commit import Item
from estafeta.storage.database import Database

CLIENT = "203.0.113.30"


class Site:
    """Settings, a clock and a group commit that are the test's."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = 1_700_000_000.0
        self.current = self.settings()
        self.writes = 0

    def settings(self, **relay: Any) -> Settings:
        return Settings(relay=Relay(**{"allow": RelayRule.POP_BEFORE_SMTP, "pop_minutes": 15, **relay}))

    def submit(self, operation: Any, payload: Any, contents: Any) -> Any:
        self.writes += 1
        done: Future[None] = Future()
        with self.database.write() as tx:
            operation(tx, [Item(payload, ())])
        done.set_result(None)
        return done

    def worker(self) -> Readers:
        return Readers(self.database, self.submit, self, lambda: self.now)


@pytest.fixture
def site(database: Database) -> Site:
    return Site(database)


def test_what_one_worker_notes_another_knows(site):
    one, other = site.worker(), site.worker()
    assert not other.is_recent(CLIENT, 15)
    one.entered(CLIENT, Service.POP3)
    assert other.is_recent(CLIENT, 15)
    assert other.is_recent(f"::ffff:{CLIENT}", 15)
    assert not other.is_recent("203.0.113.31", 15)
    site.now += 15 * 60 - 1
    assert one.is_recent(CLIENT, 15)
    site.now += 1
    assert not one.is_recent(CLIENT, 15)


def test_each_reading_begins_the_time_anew_and_costs_few_writes(site):
    worker = site.worker()
    for _ in range(100):
        worker.entered(CLIENT, Service.IMAP)
        site.now += 10
    assert site.writes == 34
    site.now += 14 * 60
    assert worker.is_recent(CLIENT, 15)


@pytest.mark.parametrize(
    ("relay", "service", "noted"),
    [
        ({}, Service.POP3, True),
        ({}, Service.IMAP, True),
        ({"pop_by_imap": False}, Service.POP3, True),
        ({"pop_by_imap": False}, Service.IMAP, False),
        ({"allow": RelayRule.ADDRESSES}, Service.POP3, False),
    ],
)
def test_only_what_the_settings_want_is_noted(site, relay, service, noted):
    site.current = site.settings(**relay)
    worker = site.worker()
    worker.entered(CLIENT, service)
    assert worker.is_recent(CLIENT, 15) is noted


def test_a_shorter_time_holds_at_once(site):
    site.current = site.settings(pop_minutes=65_535)
    site.worker().entered(CLIENT, Service.POP3)
    assert site.worker().is_recent(CLIENT, 65_535)
    assert not site.worker().is_recent(CLIENT, 15)


def test_a_clock_that_was_set_back_makes_nobody_relay_for_years(site):
    worker = site.worker()
    site.now += 10 * 365 * 86_400
    worker.entered(CLIENT, Service.POP3)
    site.now -= 10 * 365 * 86_400
    assert not worker.is_recent(CLIENT, 15)
    # And it notes who reads now, though it did so at a time that has not come yet.
    worker.entered(CLIENT, Service.POP3)
    assert worker.is_recent(CLIENT, 15)


def test_what_is_over_is_removed(site):
    worker = site.worker()
    worker.entered(CLIENT, Service.POP3)
    with site.database.write() as tx:
        assert forget_readers(tx, site.now) == 0
        assert forget_readers(tx, site.now + 901) == 1
        note_readers(tx, [Item(("192.0.2.1", 5), ()), Item(("192.0.2.1", 6), ())])
        assert forget_readers(tx, 6) == 1


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("local", ""),
        ("", ""),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses_as_they_are_kept(peer, key):
    assert address_key(peer) == key


def test_a_unix_socket_is_no_reader(site):
    worker = site.worker()
    worker.entered("local", Service.POP3)
    assert not worker.is_recent("local", 15)
    assert site.writes == 0
