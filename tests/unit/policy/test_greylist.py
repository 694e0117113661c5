"""Greylisting: who waits, for how long, who never does, and what is remembered of it."""

import pytest
from spam_kit import FakeClock, committing, facts, local, message, run, session, settings
from sqlalchemy import func, select

from estafeta.directory.settings import SiteSettings
from estafeta.directory.settings_model import Settings
from estafeta.mail.address import parse_address
from estafeta.policy import greylist, reputation
from estafeta.policy.dnslists import ADDRESS_LISTS
from estafeta.policy.experience import Seen
from estafeta.policy.experience_store import ExperienceStore
from estafeta.policy.facts import Facts
from estafeta.policy.greylist import GreylistStore, doubts
from estafeta.policy.judgement import Judgement
from estafeta.policy.reputationtables import greylist as table
from estafeta.policy.senderlists import Action
from estafeta.policy.wanted import SITE_LIST, USER_LISTS
from estafeta.storage.database import Database
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.dnsbl import Listing
from estafeta.trust.iprev import ClientName, IprevStatus
from estafeta.trust.spf import SpfResult
from estafeta.trust.spfrecord import SpfStatus

ANA, BOB = local("ana@here.test", 1), local("bob@here.test", 2)
NAMELESS = ClientName("", IprevStatus.PERMERROR)
NAMED = ClientName("mx.there.test", IprevStatus.PASS)
ALL = settings(greylist="all")


class Place:
    """A server whose database and clock are a test's."""

    def __init__(self, database: Database, wanted: Settings | None = None) -> None:
        self.clock = FakeClock()
        self.settings = wanted or settings()
        submit = committing(database)
        self.greylist = GreylistStore(database, submit, self.clock)
        self.experience = ExperienceStore(database, submit, self.clock)
        self._rows = (*reputation.checks(self.experience), *greylist.checks(self.greylist))
        site = SiteSettings(database, self.clock)
        site.set_setting("spam.greylist", self.settings.spam.greylist.value, "test")
        self._learners = (reputation.learner(self.experience, site), greylist.learner(self.greylist, site))

    def send(self, known: Facts, *recipients: str, later: float = 0) -> Judgement:
        """A message after some seconds; what is learnt from it is written."""
        self.clock.now += later
        known.now = self.clock.now
        to = [local(recipient, place) for place, recipient in enumerate(recipients or ("ana@here.test",), 1)]
        known.recipients = []
        _, judgement = run(session(self._rows, self.settings, known, message(), to))
        assert judgement is not None
        for learner in self._learners:
            learner.judged(known, judgement)
        self.greylist.flush()
        self.experience.flush(21)
        return judgement


def waits(judgement: Judgement) -> bool:
    decisive = judgement.decisive
    assert decisive.accepted or (decisive.code, decisive.enhanced, decisive.check) == (451, "4.7.1", "greylist")
    return not decisive.accepted


def nameless(sender: str = "eve@there.test", peer: str = "192.0.2.99", **proof: str) -> Facts:
    known = facts(sender, peer=peer, **proof)  # type: ignore[arg-type]
    known.found["client-name"] = NAMELESS
    return known


def test_who_comes_again_after_the_time_is_let_in_and_never_waits_again(database: Database) -> None:
    place = Place(database)
    first = place.send(nameless())
    assert waits(first)
    assert first.decisive.text == "Greylisted: please try again in 5 minutes"
    soon = place.send(nameless(), later=240)
    assert waits(soon)
    assert soon.decisive.text == "Greylisted: please try again in 1 minutes"
    assert not waits(place.send(nameless(), later=60))
    assert not waits(place.send(nameless("else@there.test"), "bob@here.test", later=90))
    assert not waits(place.send(nameless(), later=34 * 86_400))
    assert waits(place.send(nameless("third@there.test"), later=36 * 86_400 + 300))


def test_a_retry_from_the_same_network_or_of_the_same_domain_is_a_retry(database: Database) -> None:
    place = Place(database)
    assert waits(place.send(nameless(peer="192.0.2.1")))
    assert not waits(place.send(nameless(peer="192.0.2.200"), later=301))
    pool = nameless("eve@pool.test", "198.51.100.1", spf="pool.test")
    assert waits(place.send(pool))
    assert not waits(place.send(nameless("eve@pool.test", "203.0.113.9", spf="pool.test"), later=301))
    signed = nameless("b-1-77@notes.test", "198.51.100.7", dkim="notes.test")
    assert waits(place.send(signed))
    assert not waits(place.send(nameless("b-2-78@notes.test", "203.0.113.77", dkim="notes.test"), later=301))


def test_another_message_is_no_retry(database: Database) -> None:
    place = Place(database)
    assert waits(place.send(nameless()))
    assert waits(place.send(nameless("eva@there.test"), later=301))
    assert waits(place.send(nameless(), "bob@here.test", later=301))
    assert waits(place.send(nameless(peer="198.51.100.1"), later=301))


def test_who_comes_again_after_days_is_new(database: Database) -> None:
    place = Place(database)
    assert waits(place.send(nameless()))
    assert waits(place.send(nameless(), later=greylist.RETRY_SECONDS + 1))
    assert waits(place.send(nameless(), later=200))
    assert not waits(place.send(nameless(), later=100))


def test_a_message_to_many_comes_again_for_some(database: Database) -> None:
    place = Place(database)
    assert waits(place.send(nameless(), *(f"u{number}@here.test" for number in range(30))))
    with database.read() as conn:
        assert conn.scalar(select(func.count()).select_from(table)) == 10
    assert not waits(place.send(nameless(), "u0@here.test", later=301))


@pytest.mark.parametrize(
    ("name", "spf", "dkim", "doubt"),
    [
        (NAMED, SpfStatus.PASS, False, ""),
        (NAMED, SpfStatus.NONE, True, ""),
        (NAMED, SpfStatus.SOFTFAIL, True, ""),
        (NAMED, SpfStatus.NONE, False, "nothing proves"),
        (NAMED, SpfStatus.FAIL, False, "nothing proves"),
        (NAMED, SpfStatus.TEMPERROR, False, ""),
        (NAMED, None, False, ""),
        (None, None, False, ""),
        (ClientName("", IprevStatus.TEMPERROR), SpfStatus.PASS, False, ""),
        (ClientName("", IprevStatus.FAIL), SpfStatus.PASS, False, "no name"),
    ],
)
def test_what_is_suspicious(name: ClientName | None, spf: SpfStatus | None, dkim: bool, doubt: str) -> None:
    known = facts()
    if name is not None:
        known.found["client-name"] = name
    if spf is not None:
        known.found["spf"] = SpfResult(spf, "there.test")
    if dkim:
        known.found["dkim"] = [DkimResult(DkimWord.PASS, domain="there.test")]
    assert doubt in doubts(known)
    assert bool(doubts(known)) is bool(doubt)


def test_only_the_suspicious_wait_unless_all_do(database: Database) -> None:
    def good() -> Facts:
        known = facts(spf="there.test")
        known.found["client-name"] = NAMED
        return known

    assert not waits(Place(database).send(good()))


def test_with_all_every_stranger_waits_once(database: Database) -> None:
    place = Place(database, ALL)
    assert waits(place.send(facts(spf="there.test")))
    assert not waits(place.send(facts(spf="there.test"), later=301))


@pytest.mark.parametrize("reason", ["allowed", "by the user", "good list", "experience", "correspondent", "postmaster"])
def test_the_known_never_wait(database: Database, reason: str) -> None:
    place = Place(database, ALL)
    known = nameless(spf="there.test")
    to = ["ana@here.test"]
    match reason:
        case "allowed":
            known.found[SITE_LIST] = {"@there.test": Action.ALLOW}
        case "by the user":
            known.found[USER_LISTS] = {1: {"@there.test": Action.ALLOW}}
        case "good list":
            known.found[ADDRESS_LISTS] = [Listing("wl.example", known.peer, -2.0, "127.0.0.2")]
        case "experience":
            place.experience.add(("d:there.test",), Seen(fine=1))
        case "correspondent":
            place.experience.add(("a:eve@there.test",), Seen(wrote=True))
        case _:
            to = ["ana@here.test", "postmaster@here.test"]
    place.experience.flush(21)
    assert not waits(place.send(known, *to, later=1))


def test_a_listed_client_waits(database: Database) -> None:
    known = facts(spf="there.test")
    known.found["client-name"] = NAMED
    known.found[ADDRESS_LISTS] = [Listing("bl.example", known.peer, 2.0, "127.0.0.2")]
    assert waits(Place(database).send(known))


def test_null_senders_and_odd_addresses_are_hashed(database: Database) -> None:
    place = Place(database)
    bounce = nameless("")
    assert waits(place.send(bounce))
    assert not waits(place.send(nameless(""), later=301))
    known = nameless()
    known.sender = parse_address("x" * 100 + "@there.test")
    known.recipients = [(parse_address("日本@here.test"), ANA[1])]
    assert {len(key) for key in greylist.keys_of(known)} == {32}


def test_rows_go_when_their_time_is_over_or_there_are_too_many(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def number() -> int:
        with database.read() as conn:
            return conn.scalar(select(func.count()).select_from(table)) or 0

    place = Place(database)
    place.send(nameless())
    place.send(nameless(), later=301)
    assert number() == 2
    place.send(nameless(peer="198.51.100.1"), later=1)
    greylist.prune(database, place.clock.now + greylist.RETRY_SECONDS + 1, 35)
    assert number() == 2
    greylist.prune(database, place.clock.now + 36 * 86_400, 35)
    assert number() == 0
    place.send(nameless(peer="198.51.100.2"))
    greylist.prune(database, place.clock.now + 2 * 3600, 35)
    assert number() == 1
    monkeypatch.setattr(greylist, "MAX_ROWS", 0)
    greylist.prune(database, place.clock.now + 2 * 3600, 35)
    assert number() == 0


def test_a_database_that_is_away_lets_everybody_in(database: Database) -> None:
    class Away(GreylistStore):
        async def rows(self, keys):  # type: ignore[no-untyped-def]
            raise OSError("away")

    store = Away(database, committing(database), FakeClock())
    _, judgement = run(session(greylist.checks(store), ALL, nameless(), message(), [ANA, BOB]))
    assert judgement is not None
    assert not waits(judgement)
