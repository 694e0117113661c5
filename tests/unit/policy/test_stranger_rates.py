"""How much strangers may send within an hour, and who guesses addresses."""

import pytest
from spam_kit import FakeClock, committing, facts, local, message, run, session, settings

from estafeta.directory.settings_model import Settings
from estafeta.mail.address import parse_address
from estafeta.policy import rates
from estafeta.policy.experience import Seen
from estafeta.policy.experience_store import ExperienceStore
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.rates import Counts, Rates
from estafeta.policy.senderlists import Action
from estafeta.policy.verdict import rejected
from estafeta.policy.wanted import SITE_LIST
from estafeta.storage.database import Database

ANA = local("ana@here.test", 1)


def test_an_hour_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    clock.now = 3600 * 1000
    counts = Counts(clock)
    counts.add("a", 100)
    assert counts.of("a") == 100
    clock.now += 3600
    assert counts.of("a") == 100
    clock.now += 1800
    counts.add("a", 10)
    assert counts.of("a") == 60
    clock.now += 1800
    assert counts.of("a") == 10
    clock.now += 7200
    assert counts.of("a") == 0
    monkeypatch.setattr(rates, "MAX_COUNTED", 3)
    for key in "bcdaef":
        counts.add(key)
    assert [counts.of(key) for key in "bcdaef"] == [0, 0, 0, 1, 1, 1]
    counts.add("")
    clock.now -= 7200  # set back
    assert counts.of("a") == 0


class Place:
    def __init__(self, database: Database, wanted: Settings) -> None:
        self.clock = FakeClock()
        self.settings = wanted
        self.experience = ExperienceStore(database, committing(database), self.clock)
        self.rates = Rates(self.experience, self.clock)

    def send(self, known: Facts) -> str:
        """A message; what is said if it is put off."""
        known.recipients = []
        said, judgement = run(session(self.rates.checks(), self.settings, known, message(), [ANA]))
        if judgement is None:
            assert said[0] is not None
            return said[0].reason
        self.rates.learner().judged(known, judgement)
        return "" if judgement.decisive.accepted else judgement.decisive.reason


def test_a_network_that_sends_too_much_is_put_off(database: Database) -> None:
    place = Place(database, settings(messages_per_hour=3, domain_messages_per_hour=0))
    assert [place.send(facts(peer=f"192.0.2.{number}")) for number in range(4)] == [
        *("", "", ""),
        "3 messages from 192.0.2.0/24 within the hour",
    ]
    assert place.send(facts(peer="198.51.100.1")) == ""
    place.clock.now += 7200
    assert place.send(facts()) == ""


def test_a_good_network_may_send_ten_times_as_much(database: Database) -> None:
    place = Place(database, settings(messages_per_hour=3))
    place.experience.add(("n:192.0.2.0/24",), Seen(said_good=2))
    place.experience.flush(21)
    assert {place.send(facts()) for _ in range(30)} == {""}
    assert place.send(facts()) != ""


def test_recipients_are_counted(database: Database) -> None:
    place = Place(database, settings(recipients_per_hour=10))
    known = facts(recipients=[ANA] * 10)
    place.rates.learner().judged(known, Judgement())
    assert place.send(facts()) == "10 recipients from 192.0.2.0/24 within the hour"


def test_who_guesses_addresses_is_put_off(database: Database) -> None:
    place = Place(database, settings())
    learner = place.rates.learner()
    unknown = rejected("There is no such person here", "unknown", 550, "5.1.1")
    place.rates.learner().judged(facts(recipients=[ANA] * 9), Judgement())
    for _ in range(10):
        assert place.send(facts(peer="192.0.2.7")) == ""
        learner.refused(facts(), unknown)
        learner.refused(facts(), rejected("Listed", "on a list"))
    for _ in range(10):
        learner.refused(facts(), unknown)
    assert "of 39 recipients unknown" in place.send(facts())
    off = settings(unknown_recipients_percent=0)
    place.settings = off
    assert place.send(facts()) == ""


def test_domains_are_counted_where_they_are_proven(database: Database) -> None:
    place = Place(database, settings(domain_messages_per_hour=2))

    def forged() -> Facts:
        return facts("eve@big.test")

    def proven(peer: str) -> Facts:
        return facts("eve@big.test", spf="big.test", peer=peer)

    assert [place.send(forged()) for _ in range(5)] == [""] * 5
    assert [place.send(proven("198.51.100.1")), place.send(proven("203.0.113.1"))] == ["", ""]
    assert place.send(proven("198.51.100.7")) == "2 messages of big.test within the hour"
    assert place.send(forged()) == ""


def test_users_networks_and_the_allowed_are_not_counted(database: Database) -> None:
    place = Place(database, settings(messages_per_hour=1, domain_messages_per_hour=1))
    trusted = facts()
    trusted.trusted = True
    assert [place.send(trusted) for _ in range(3)] == [""] * 3
    for _ in range(3):
        allowed = facts(spf="there.test")
        allowed.sender = parse_address("eve@there.test")
        allowed.found[SITE_LIST] = {"@there.test": Action.ALLOW}
        assert place.send(allowed) == ""
