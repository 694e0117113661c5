"""DKIM keys: kept encrypted, moved from state to state, and what time and DNS make of them."""

import asyncio
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.keykeeping import KeyKeeper, look_up, next_steps
from estafeta.directory.keystates import KeyState, Seen, StoredKey
from estafeta.directory.model import DomainState
from estafeta.directory.settings_dkim import Dkim
from estafeta.directory.signing_tables import dkim_keys
from estafeta.directory.signingkeys import SigningKeys
from estafeta.dns.values import Answer, DnsStatus
from estafeta.trust.dkimkeys import parse_key
from estafeta.trust.signingkey import SigningKey

KEY = bytes(range(32))
DAY = 86_400
RSA, ED = "rsa-sha256", "ed25519-sha256"


class Zone:
    """TXT records that a test publishes."""

    def __init__(self) -> None:
        self.texts: dict[str, list[bytes]] = {}
        self.down = False

    async def txt(self, name: str) -> Answer[bytes]:
        if self.down:
            return Answer(DnsStatus.FAILED, reason="gives no answer")
        found = self.texts.get(name)
        return Answer(DnsStatus.OK, tuple(found)) if found else Answer(DnsStatus.NO_NAME)

    def publish(self, *keys: StoredKey) -> None:
        for key in keys:
            self.texts[key.dns_record.name] = [key.record.encode()]

    def drop(self, key: StoredKey) -> None:
        del self.texts[key.dns_record.name]


@pytest.fixture
def keys(site: Any) -> SigningKeys:
    return SigningKeys(site.database, KEY, site.clock)


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
def tend(site: Any, keys: SigningKeys, zone: Zone) -> Any:
    def run() -> dict[str, str]:
        """One turn of the job; the states of example.org's keys by selector."""
        asyncio.run(KeyKeeper(keys, zone, site.settings, site.clock).tend())  # type: ignore[arg-type]
        return {key.selector: str(key.state) for key in keys.list_keys("example.org")}

    return run


def only_ed(site: Any) -> None:
    site.set("dkim.algorithms", "ed25519-sha256")
    site.set("dkim.unsigned_domains", "other.example")


def test_a_private_key_is_encrypted_and_bound_to_its_row(site: Any, keys: SigningKeys) -> None:
    made = keys.create_key("example.org", ED)
    other = keys.create_key("example.org", ED, selector="other")
    keys.activate("example.org", made.selector)
    keys.move("example.org", "other", KeyState.PUBLISHED)
    [opened] = keys.open_active("example.org")
    assert parse_key(made.record.encode()).public == opened.private.public_key()
    with site.database.read() as conn:
        [data] = conn.execute(select(dkim_keys.c.data).where(dkim_keys.c.selector == "other")).scalars()
    assert b"PRIVATE" not in str(data).encode()
    # Another row's key is worth nothing here, nor is one on a machine with another node.key.
    elsewhere = SigningKeys(site.database, bytes(32), site.clock)
    assert elsewhere.open_active("example.org") == ()
    assert [one.selector for one in elsewhere.locked_keys()] == [made.selector, "other"]
    assert keys.locked_keys() == []
    with site.database.write() as tx:
        tx.conn.execute(update(dkim_keys).where(dkim_keys.c.selector == made.selector).values(data=data))
    assert keys.open_active("example.org") == ()
    assert other.algorithm == ED


def test_states_follow_each_other_and_only_so(keys: SigningKeys) -> None:
    name = keys.create_key("example.org", ED, selector="one").selector
    for state in (KeyState.RETIRED, KeyState.PREPARED):
        with pytest.raises(EstafetaError) as raised:
            keys.move("example.org", name, state)
        assert raised.value.kind is Kind.INVALID
    assert keys.activate("example.org", name) == []
    with pytest.raises(EstafetaError):
        keys.move("example.org", name, KeyState.REMOVED)
    second = keys.create_key("example.org", ED, selector="two")
    rsa = keys.create_key("example.org", RSA)
    keys.activate("example.org", rsa.selector)
    assert [one.selector for one in keys.activate("example.org", second.selector)] == ["one"]
    assert {one.selector for one in keys.open_active("example.org")} == {"two", rsa.selector}
    assert [one.algorithm for one in keys.open_active("example.org")] == [RSA, ED]
    assert keys.activate("example.org", "one")[0].selector == "two"  # and back
    keys.move("example.org", "two", KeyState.REMOVED)
    with pytest.raises(EstafetaError):
        keys.activate("example.org", "two")


def test_a_leaked_key_is_gone_at_once(site: Any, keys: SigningKeys) -> None:
    keys.create_key("example.org", ED, selector="leaked")
    keys.activate("example.org", "leaked")
    assert keys.erase("example.org", "leaked").state is KeyState.REMOVED
    assert keys.open_active("example.org") == ()
    with site.database.read() as conn:
        assert conn.execute(select(dkim_keys.c.data)).scalar() == ""


def test_bad_input_is_a_sentence(keys: SigningKeys) -> None:
    cases = (
        (("elsewhere.example", ED, {}), Kind.NOT_FOUND),
        (("example.org", ED, {"selector": "no way"}), Kind.INVALID),
        (("example.org", ED, {"selector": "long." * 13}), Kind.INVALID),
        (("example.org", RSA, {"bits": 512}), Kind.INVALID),
        (("example.org", RSA, {"pem": b"nothing"}), Kind.INVALID),
    )
    for (domain, algorithm, more), kind in cases:
        with pytest.raises(EstafetaError) as raised:
            keys.create_key(domain, algorithm, **more)  # type: ignore[arg-type]
        assert raised.value.kind is kind
    keys.create_key("example.org", ED, selector="a")
    with pytest.raises(EstafetaError, match="already"):
        keys.create_key("EXAMPLE.org", ED, selector="A")
    for number in range(29):
        keys.create_key("example.org", ED, selector=f"n{number}")
    with pytest.raises(EstafetaError) as raised:
        keys.create_key("example.org", ED)
    assert raised.value.kind is Kind.LIMIT


def test_a_key_of_another_server_is_taken_over(keys: SigningKeys) -> None:
    theirs = SigningKey.generate("example.org", "opendkim", ED)
    kept = keys.create_key("example.org", RSA, selector="opendkim", pem=theirs.to_pem())
    assert (kept.algorithm, kept.record) == (ED, theirs.dns_record().text)


def test_selectors_of_a_day(keys: SigningKeys) -> None:
    made = [keys.create_key("example.org", ED).selector for _ in range(2)]
    assert made == ["ed20231114", "ed20231114-1"]
    assert keys.create_key("example.org", RSA).selector == "rsa20231114"


def test_changes_are_announced(site: Any, keys: SigningKeys) -> None:
    site.announced.clear()
    keys.create_key("example.org", ED, selector="a")
    keys.activate("example.org", "a")
    assert site.announced == ["dkim", "dkim"]


def test_a_removed_domain_signs_no_more(site: Any, keys: SigningKeys, tend: Any) -> None:
    only_ed(site)
    keys.create_key("example.org", ED, selector="a")
    keys.activate("example.org", "a")
    site.directory.remove_domain("example.org")
    assert keys.open_active("example.org") == ()
    assert tend() == {"a": "retired"}


def test_a_domain_that_takes_no_mail_for_now_keeps_its_keys(site: Any, keys: SigningKeys, tend: Any) -> None:
    only_ed(site)
    keys.create_key("example.org", ED, selector="a")
    keys.activate("example.org", "a")
    site.directory.change_domain("example.org", state=DomainState.DISABLED)
    assert tend() == {"a": "active"}
    assert len(keys.open_active("example.org")) == 1


# The job


def test_a_new_domain_signs_when_its_record_is_seen(site: Any, keys: SigningKeys, zone: Zone, tend: Any) -> None:
    tend()
    made = keys.list_keys()
    assert {(one.domain, one.algorithm) for one in made} == {
        (domain, kind) for domain in ("example.org", "other.example") for kind in (RSA, ED)
    }
    assert set(tend().values()) == {"prepared"}
    rsa = next(one for one in made if one.domain == "example.org" and one.algorithm == RSA)
    zone.publish(rsa)
    assert tend()[rsa.selector] == "active"
    assert [one.selector for one in keys.open_active("example.org")] == [rsa.selector]
    zone.down = True
    assert tend()[rsa.selector] == "active"


def test_rotation(site: Any, keys: SigningKeys, zone: Zone, tend: Any) -> None:
    only_ed(site)
    assert tend() == {"ed20231114": "prepared"}
    zone.publish(*keys.list_keys())
    assert tend() == {"ed20231114": "active"}
    site.clock.now += (180 - 21) * DAY - 1
    assert tend() == {"ed20231114": "active"}
    site.clock.now += 1
    assert tend() == {"ed20231114": "active", "ed20240421": "prepared"}
    first, second = keys.list_keys("example.org")
    # Its record comes late: the old key goes on, however old.
    site.clock.now += 100 * DAY
    assert tend() == {"ed20231114": "active", "ed20240421": "prepared"}
    zone.publish(second)
    assert tend() == {"ed20231114": "retired", "ed20240421": "active"}
    site.clock.now += 14 * DAY - 1
    assert tend()["ed20231114"] == "retired"
    site.clock.now += 1
    assert tend() == {"ed20231114": "removed", "ed20240421": "active"}
    zone.drop(first)
    site.clock.now += DAY
    tend()
    assert tend() == {"ed20240421": "active"}


def test_a_key_that_signs_is_asked_about_once_a_day_unless_its_record_is_gone(
    site: Any, keys: SigningKeys, zone: Zone, tend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    only_ed(site)
    tend()
    zone.publish(*keys.list_keys())
    tend()
    [key] = keys.list_keys()
    zone.drop(key)

    def seen() -> Seen:
        tend()
        return keys.get_key("example.org", key.selector).seen

    site.clock.now += DAY - 1
    assert seen() is Seen.THERE
    site.clock.now += 1
    assert seen() is Seen.MISSING
    assert seen() is Seen.MISSING
    assert [one.message for one in caplog.records[1:]] == ["DNS lacks the record of a DKIM key that signs"]
    zone.publish(key)
    assert seen() is Seen.THERE  # no day has to pass
    # Asked by a clock that was wrong.
    site.clock.now += 500 * DAY
    keys.note_seen("example.org", key.selector, Seen.THERE)
    site.clock.now -= 500 * DAY
    zone.drop(key)
    assert seen() is Seen.MISSING


def test_a_key_that_another_forgets_while_dns_is_asked(site: Any, keys: SigningKeys, zone: Zone, tend: Any) -> None:
    only_ed(site)
    gone = keys.create_key("example.org", ED, selector="gone")
    keys.erase("example.org", "gone")
    answer = zone.txt

    async def txt(name: str) -> Answer[bytes]:
        if name == gone.dns_record.name:
            keys.forget("example.org", "gone")
        return await answer(name)

    zone.txt = txt  # type: ignore[method-assign]
    assert "gone" not in tend()
    assert keys.list_keys("other.example") == []


def test_a_successor_that_is_published_early_waits_for_its_turn(
    site: Any, keys: SigningKeys, zone: Zone, tend: Any
) -> None:
    only_ed(site)
    tend()
    zone.publish(*keys.list_keys())
    tend()
    site.clock.now += 160 * DAY
    tend()
    zone.publish(*keys.list_keys())
    assert tend() == {"ed20231114": "active", "ed20240422": "published"}
    zone.drop(keys.list_keys()[1])
    assert tend() == {"ed20231114": "active", "ed20240422": "prepared"}
    site.clock.now += 20 * DAY
    assert tend()["ed20231114"] == "active"  # what is not published does not sign
    zone.publish(*keys.list_keys())
    assert tend() == {"ed20231114": "retired", "ed20240422": "active"}


def test_nothing_is_made_where_nothing_is_wanted(site: Any, keys: SigningKeys, zone: Zone, tend: Any) -> None:
    site.set("dkim.make_keys", "off")
    assert tend() == {}
    mine = keys.create_key("example.org", ED, selector="mine")
    zone.publish(mine)
    assert tend() == {"mine": "active"}
    site.clock.now += 1000 * DAY
    assert tend() == {"mine": "active"}


def test_what_dns_says(keys: SigningKeys, zone: Zone) -> None:
    key = keys.create_key("example.org", ED, selector="a")
    other = keys.create_key("example.org", ED, selector="b")
    name, record = key.dns_record.name, key.record.encode()
    cases: list[tuple[list[bytes], Seen]] = [
        ([], Seen.MISSING),
        ([record], Seen.THERE),
        ([record.replace(b"; ", b" ;\t")], Seen.THERE),
        ([other.record.encode()], Seen.OTHER),
        ([record, other.record.encode()], Seen.OTHER),
        ([b"v=DKIM1; k=ed25519; p="], Seen.REVOKED),
        ([b"v=spf1 -all"], Seen.OTHER),
        ([record[:-5]], Seen.OTHER),
        ([b"\xff" * 5000], Seen.OTHER),
    ]
    for texts, seen in cases:
        zone.texts[name] = texts
        assert asyncio.run(look_up(key, zone)) is seen, texts  # type: ignore[arg-type]
    zone.down = True
    assert asyncio.run(look_up(key, zone)) is Seen.FAILED  # type: ignore[arg-type]


def test_records_of_long_keys_are_split() -> None:
    key = SigningKey.generate("example.org", "s", RSA)
    record = key.dns_record()
    assert len(record.text) > 255
    assert [len(one) <= 255 for one in record.strings] == [True, True]
    assert "".join(record.strings) == record.text
    assert record.zone_line() == f's._domainkey.example.org. IN TXT ( "{record.strings[0]}" "{record.strings[1]}" )'


_states = st.sampled_from(list(KeyState))
_seen = st.sampled_from(list(Seen))


@given(st.lists(st.tuples(st.sampled_from([RSA, ED]), _states, _seen, st.integers(0, 500)), max_size=6), st.booleans())
def test_steps_keep_a_signer(raw: list[tuple[Any, KeyState, Seen, int]], ours: bool) -> None:
    """Whatever there is: no key that signs for a domain of ours is taken away without another in its place, nothing
    begins to sign that DNS does not show, and at most one key of a kind is made."""
    now = 1000.0 * DAY
    keys = [
        StoredKey("a.test", f"s{number}", kind, state, "", 0, int(now - age * DAY), seen, 0)
        for number, (kind, state, seen, age) in enumerate(raw)
    ]
    steps = next_steps(keys, Dkim(), now, ours=ours)
    for step in steps:
        if step.state is KeyState.ACTIVE:
            assert ours
            assert step.key is not None
            assert step.key.seen is Seen.THERE
        if step.state is KeyState.RETIRED:
            assert not ours
        if step.state in (KeyState.REMOVED, None) and step.key is not None:
            assert step.key.state is not KeyState.ACTIVE
    made = [step.algorithm for step in steps if step.key is None]
    assert len(made) == len(set(made))
    assert ours or not made


def test_keys_are_values() -> None:
    fields = {one.name for one in dataclasses.fields(StoredKey)}
    assert not fields & {"data", "private"}
