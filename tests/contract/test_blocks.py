"""Guessing passwords against two workers that share blocks through the database; operators' blocks; hostile numbers."""

from dataclasses import dataclass

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.auth import Authenticator
from estafeta.directory.blocks import (
    Block,
    find_blocks,
    forget_blocks,
    login_key,
    networks_of,
    parse_network,
    share_block,
)
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.service import Directory
from estafeta.directory.settings import SiteSettings
from estafeta.storage.database import Database

PASSWORD = "correct horse"
GUESSER, HOME = "192.0.2.7", "198.51.100.1"


@dataclass
class Site:
    database: Database
    settings: SiteSettings
    directory: Directory
    now: float = 1_700_000_000.0

    def clock(self) -> float:
        return self.now

    def worker(self) -> Authenticator:
        profile = PasswordProfile(memory_kib=64, passes=1)
        return Authenticator(self.database, self.clock, self.settings, profile=profile)

    def blocks(self) -> list[Block]:
        return self.directory.list_blocks()


@pytest.fixture
def site(database: Database) -> Site:
    profile = PasswordProfile(memory_kib=64, passes=1)
    settings = SiteSettings(database, lambda: 1_700_000_000.0)
    settings.set_values({"auth.scram_iterations": 4096}, "test")
    made = Site(database, settings, Directory(database, lambda: made.now, settings, profile=profile))
    made.directory.add_domain("example.org")
    made.directory.add_user("ana", password=PASSWORD)
    made.directory.add_address("ana", "ana.garcia@example.org")
    return made


def guess(worker: Authenticator, login: str = "ana", client: str = GUESSER, password: str = "wrong") -> Kind | None:
    try:
        worker.check(login, password, client=client)
    except EstafetaError as error:
        return error.kind
    return None


def guess_until_told(site: Site, worker: Authenticator, login: str = "ana") -> int:
    """Guess with patience; how many guesses it took until a block was shared."""
    count = 0
    while not site.blocks():
        if guess(worker, login) is Kind.LIMIT:
            site.now += 1
        else:
            count += 1
    return count


def test_a_long_wait_holds_on_all_workers(site):
    one, other = site.worker(), site.worker()
    assert guess_until_told(site, one) == 10
    [block] = site.blocks()
    assert (block.network, block.login, block.failures) == ("192.0.2.0/24", "ana@example.org", 10)
    assert guess(other, password=PASSWORD) is Kind.LIMIT
    # By whichever of the user's names, from whichever neighbour.
    assert guess(other, "ana.garcia@example.org", "192.0.2.200", PASSWORD) is Kind.LIMIT
    # The user signs in from elsewhere all the same.
    assert guess(other, client=HOME, password=PASSWORD) is None
    site.now = block.until_seconds
    assert guess(other) is Kind.PERMISSION
    # It counts on from what the first worker told: twice as long, at once.
    assert guess(other) is Kind.LIMIT
    assert site.blocks()[0].until_seconds - site.now == 64


def test_going_from_worker_to_worker_gains_little(site):
    workers = [site.worker() for _ in range(4)]
    guesses, began = 0, site.now
    while site.now < began + 1800:
        for worker in workers:
            guesses += guess(worker) is Kind.PERMISSION
        site.now += 15
    assert guesses < 50


def test_one_user_from_100_000_addresses(site):
    """Each address guesses once: nobody is refused, each guess waits, and the user's own network does not."""
    worker, other = site.worker(), site.worker()
    assert guess(worker, client=HOME, password=PASSWORD) is None
    for number in range(100_000):
        told = worker.throttle.failed("ana@example.org", f"2001:db8:{number >> 8:x}:{number & 255:x}00::1")
        if told:
            worker._tell(told)
        if number % 1000 == 999:
            site.now += 1
    stranger = "203.0.113.9"
    assert worker.delay("ana", stranger) == 8
    assert other.delay("ana", stranger) == 8
    assert other.delay("ana.garcia", stranger) == 8
    assert worker.delay("ana", HOME) == 0
    assert worker.delay("nobody", stranger) == 0
    assert guess(other, client=stranger, password=PASSWORD) is None
    assert len(worker.throttle) <= 20_000
    assert len(site.blocks()) == 1
    site.now += 3601
    assert other.delay("ana", stranger) == 0
    with site.database.write() as tx:
        assert forget_blocks(tx, site.now) == 1


def test_many_users_from_one_network(site):
    worker, other = site.worker(), site.worker()
    for number in range(100):
        guess(worker, f"user{number}")
        site.now += 1
    assert any((block.network, block.login) == ("192.0.2.0/24", "") for block in site.blocks())
    assert guess(other, password=PASSWORD) is Kind.LIMIT
    assert guess(other, client=HOME, password=PASSWORD) is None


def test_who_guesses_by_way_of_a_webmail_locks_out_nobody_else(site):
    site.settings.set_setting("limits.exempt_networks", "203.0.113.9/32", "test")
    worker, other = site.worker(), site.worker()
    for number in range(100):
        guess(worker, f"user{number}", client="203.0.113.9")
        guess(worker, f"user{number}", client="203.0.113.10")
        site.now += 1
    assert guess(other, client="203.0.113.10", password=PASSWORD) is Kind.LIMIT
    for one in (worker, other):
        assert guess(one, client="203.0.113.9", password=PASSWORD) is None
    for _ in range(6):
        guess(worker, client="203.0.113.9")
    assert guess(worker, client="203.0.113.9", password=PASSWORD) is Kind.LIMIT


def test_strangers_cause_few_commits(site):
    worker = site.worker()
    told = sum(len(worker.throttle.failed(f"user{number % 50}", f"10.{number % 200}.0.1")) for number in range(100_000))
    assert told <= 12


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_jumps_locks_nobody_out(site, years):
    worker, other = site.worker(), site.worker()
    guess_until_told(site, worker)
    site.now += years * 365 * 86_400
    for one in (worker, other):
        assert guess(one, password=PASSWORD) is None
    assert worker.delay("ana", "203.0.113.9") == 0


def test_operators_blocks(site):
    directory, worker = site.directory, site.worker()
    assert guess(worker, client=HOME, password=PASSWORD) is None
    directory.add_block("", "ana.garcia", seconds=3600, made_by="operator", reason="stolen")
    # What was verified a moment ago is forgotten on the bus; whatever name is used.
    worker.forget()
    for login in ("ana", "ana@example.org", "ANA.garcia@example.org"):
        assert guess(worker, login, HOME, PASSWORD) is Kind.LIMIT
    # The server's own do not take its place.
    with site.database.write() as tx:
        share_block(tx, Block("", "ana@example.org", int(site.now), int(site.now) + 1, 5))
    assert site.blocks()[0].made_by == "operator"
    directory.remove_block("", "ana")
    assert guess(worker, client=HOME, password=PASSWORD) is None
    directory.add_block("198.51.100.0/22", "", seconds=0, made_by="operator", reason="")
    worker.forget()
    assert guess(worker, client="198.51.103.255", password=PASSWORD) is Kind.LIMIT
    assert guess(worker, client="::ffff:198.51.100.1", password=PASSWORD) is Kind.LIMIT
    assert guess(worker, client="198.51.104.1", password=PASSWORD) is None
    site.now += 100 * 365 * 86_400
    assert len(site.blocks()) == 1
    directory.remove_block("198.51.100.0/22", "")
    directory.add_block(GUESSER, "ana", seconds=60, made_by="operator", reason="")
    assert guess(worker, client=GUESSER, password=PASSWORD) is Kind.LIMIT
    assert guess(worker, client="192.0.2.8", password=PASSWORD) is None
    for network, login, kind in (
        ("", "", Kind.INVALID),
        ("192.0.2.0/33", "", Kind.INVALID),
        ("example.org", "", Kind.INVALID),
        ("", "nobody", Kind.NOT_FOUND),
    ):
        with pytest.raises(EstafetaError) as refused:
            directory.add_block(network, login, seconds=0, made_by="x", reason="")
        assert refused.value.kind is kind
    with pytest.raises(EstafetaError) as refused:
        directory.remove_block("10.0.0.0/8", "")
    assert refused.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize(
    "login", ["", "\0", "a" * 5000, "ana@" + "x" * 5000, "\ud800", "ana@\u0130stanbul", "%", "'; --"]
)
def test_logins_of_any_kind_are_only_wrong(site, login):
    worker = site.worker()
    for _ in range(30):
        assert guess(worker, login) in (Kind.PERMISSION, Kind.LIMIT)
        site.now += 40
    assert worker.delay(login, "203.0.113.9") >= 0


def test_names_of_blocks():
    assert login_key(" Ana@EXAMPLE.org ") == "ana@example.org"
    assert len(login_key("x" * 1000)) == 320
    assert parse_network("192.0.2.77/24") == "192.0.2.0/24"
    assert len(networks_of("192.0.2.1")) == 33
    assert len(networks_of("2001:db8::1")) == 129
    assert networks_of("local") == networks_of("") == ()


def test_nothing_is_found_where_nothing_is(database):
    with database.read() as conn:
        assert find_blocks(conn, "ana", "192.0.2.1") == []
