"""Lists of senders: what an entry is, which one decides, and what that does to sessions."""

import pytest
from spam_kit import FakeClock, facts, local, message, run, session, settings

from estafeta.core.errors import EstafetaError, Kind
from estafeta.policy import senderlists
from estafeta.policy.judgement import judge
from estafeta.policy.senderlists import SITE, Action, Entry, SenderLists, decide, parse_pattern
from estafeta.policy.verdict import scored
from estafeta.policy.wanted import checks
from estafeta.storage.database import Database

ANA, BOB = local("ana@here.test", 1), local("bob@here.test", 2)
ALLOW, BLOCK = Action.ALLOW, Action.BLOCK


@pytest.mark.parametrize(
    ("typed", "pattern"),
    [
        ("Ana@Example.ORG", "ana@example.org"),
        ("@Example.org", "@example.org"),
        ("example.org.", "@example.org"),
        (".example.org", "@.example.org"),
        ("@.example.org", "@.example.org"),
        ("bücher.example", "@xn--bcher-kva.example"),
        ("x@[192.0.2.1]", "x@[192.0.2.1]"),
    ],
)
def test_patterns(typed: str, pattern: str) -> None:
    assert parse_pattern(typed) == pattern
    assert parse_pattern(pattern) == pattern


@pytest.mark.parametrize("typed", ["", "@", ".", "@@", "a b@x.test", "x@", "@a..b", "*", "@" + "a" * 300])
def test_what_is_no_pattern(typed: str) -> None:
    with pytest.raises(EstafetaError) as refused:
        parse_pattern(typed)
    assert refused.value.kind is Kind.INVALID


EVE = "eve@mail.there.test"


@pytest.mark.parametrize(
    ("entries", "proof", "action"),
    [
        ({}, "mail.there.test", None),
        ({EVE: ALLOW}, "mail.there.test", ALLOW),
        ({EVE: ALLOW}, "", None),  # anybody can write this address
        ({EVE: ALLOW}, "elsewhere.test", None),
        ({EVE: BLOCK}, "", BLOCK),
        ({"@mail.there.test": ALLOW}, "mail.there.test", ALLOW),
        ({"@there.test": ALLOW}, "mail.there.test", None),
        ({"@.there.test": ALLOW}, "mail.there.test", ALLOW),
        ({"@.test": BLOCK}, "", BLOCK),
        ({"@.there.test": BLOCK, EVE: ALLOW}, "mail.there.test", ALLOW),
        ({"@.there.test": BLOCK, EVE: ALLOW}, "", BLOCK),
        ({"@.there.test": ALLOW, "@mail.there.test": BLOCK}, "mail.there.test", BLOCK),
        ({"@.mail.there.test": BLOCK, "@.test": ALLOW}, "mail.there.test", BLOCK),
    ],
)
def test_the_most_exact_entry_that_holds_decides(entries: dict[str, Action], proof: str, action: Action | None) -> None:
    match = decide(entries, facts(EVE, spf=proof))
    assert (match.action if match is not None else None) is action


def test_from_counts_like_mail_from_and_what_blocks_wins() -> None:
    known = facts("bounce@lists.test", dkim="there.test", content=message(author="Eve <eve@there.test>"))
    assert decide({"eve@there.test": ALLOW}, known) == ("eve@there.test", ALLOW, "eve@there.test")
    both = decide({"eve@there.test": ALLOW, "bounce@lists.test": BLOCK}, known)
    assert both is not None
    assert both.action is BLOCK
    forged = facts("bounce@lists.test", spf="lists.test", content=message(author="Eve <eve@there.test>"))
    assert decide({"eve@there.test": ALLOW}, forged) is None


def test_signatures_that_leave_octets_out_prove_nothing() -> None:
    known = facts("", dkim="there.test", content=message())
    known.found["dkim"] = [known.found["dkim"][0]._replace(unsigned_octets=5)]
    assert decide({"eve@there.test": ALLOW}, known) is None


@pytest.fixture
def lists(database: Database) -> SenderLists:
    return SenderLists(database, FakeClock())


def put(lists: SenderLists, database: Database, account: int, pattern: str, action: Action) -> None:
    senderlists.put_entry(database, Entry(account, pattern, action))
    lists.forget()


def test_the_site_refuses_whom_it_blocks_but_not_to_postmaster(lists: SenderLists, database: Database) -> None:
    put(lists, database, SITE, "@.there.test", BLOCK)
    recipients = [ANA, local("postmaster@here.test", 3)]
    said, judgement = run(session(checks(lists), settings(), facts(), message(), recipients))
    assert said[0] is not None
    assert (said[0].code, said[1]) == (550, None)
    assert judgement is not None
    assert judgement.decisive.accepted
    said, judgement = run(session(checks(lists), settings(), facts("x@other.test"), message(), [ANA]))
    assert said == [None]
    assert judgement is not None
    assert judgement.decisive.code == 550  # From is blocked too


def test_whom_the_site_allows_is_no_junk_when_it_is_proven(lists: SenderLists, database: Database) -> None:
    put(lists, database, SITE, "eve@there.test", ALLOW)
    _, judgement = run(session(checks(lists), settings(), facts(spf="there.test"), message(), [ANA]))
    assert judgement is not None
    assert judgement.score == -100
    _, judgement = run(session(checks(lists), settings(), facts(), message(), [ANA]))
    assert judgement is not None
    assert judgement.score == 0


def test_what_a_user_wants_holds_for_that_user(lists: SenderLists, database: Database) -> None:
    put(lists, database, 1, "eve@there.test", BLOCK)
    put(lists, database, 2, "eve@there.test", ALLOW)
    cal = local("cal@here.test", 3)
    said, judgement = run(session(checks(lists), settings(), facts(spf="there.test"), message(), [ANA, BOB, cal]))
    assert said == [None] * 3
    assert judgement is not None
    assert [judgement.score_for(account) for account in (1, 2, 3)] == [100, -100, 0]
    assert b"eve@there.test" not in judgement.front.partition(b"X-Estafeta-Result")[2]
    _, judgement = run(session(checks(lists), settings(), facts(spf="there.test"), message(), [ANA]))
    assert judgement is not None
    assert b"blocked by the recipient" in judgement.front


def test_what_one_recipient_wants_is_not_refused_to_all() -> None:
    policy = settings().policy
    junk = scored(policy.reject_score + 1, "junk")
    assert judge([junk], policy).decisive.code == 550
    wanted = judge([junk, scored(-100, "allowed")._replace(account=2)], policy)
    assert wanted.decisive.accepted
    assert (wanted.is_junk_for(1), wanted.is_junk_for(2)) == (True, False)
    unwanted = judge([junk, scored(100, "blocked")._replace(account=2)], policy)
    assert unwanted.decisive.code == 550


def test_entries_are_kept_changed_and_removed(database: Database) -> None:
    entry = Entry(SITE, "@there.test", BLOCK, 7, "why")
    assert senderlists.put_entry(database, entry)
    assert not senderlists.put_entry(database, entry)
    assert senderlists.put_entry(database, entry._replace(action=ALLOW))
    senderlists.put_entry(database, Entry(5, "a@b.test", ALLOW))
    assert senderlists.list_entries(database, SITE) == [entry._replace(action=ALLOW)]
    senderlists.remove_entry(database, SITE, "@there.test")
    with pytest.raises(EstafetaError) as missing:
        senderlists.remove_entry(database, SITE, "@there.test")
    assert missing.value.kind is Kind.NOT_FOUND
    with database.write() as tx:
        senderlists.remove_account(tx, 5)
    assert senderlists.list_entries(database, 5) == []


def test_a_list_has_an_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senderlists, "MAX_ENTRIES", 2)
    for number in range(2):
        senderlists.put_entry(database, Entry(5, f"@{number}.test", BLOCK))
    with pytest.raises(EstafetaError) as full:
        senderlists.put_entry(database, Entry(5, "@more.test", BLOCK))
    assert full.value.kind is Kind.LIMIT
    assert senderlists.put_entry(database, Entry(5, "@1.test", ALLOW))
