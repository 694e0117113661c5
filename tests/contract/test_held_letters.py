"""The daily letter about held mail: who is told what, once, in which language, with which links."""

import asyncio
from typing import Any

import pytest
from queue_kit import NOW_MS, Lane, Place, Queue, ident, remote, to_queue
from store_kit import Store, problems

from estafeta.app.heldletters import letters_job
from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.delivery import heldletters
from estafeta.delivery.heldletters import HeldLetters, Means
from estafeta.directory.model import LocalTarget, RemoteTarget, Resolution, Status
from estafeta.directory.settings_filters import Quarantine
from estafeta.directory.settings_model import Settings
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.intake.posting import Posting
from estafeta.mail.address import Address
from estafeta.queue.quarantine import Decided, Decision, decide, tell
from estafeta.queue.quarantinelinks import check_token
from estafeta.queue.values import EntryFlag, Hold
from estafeta.routing.table import build_route_table
from estafeta.routing.values import HERE

DAY = 86_400_000
ACCOUNTS = {"ana@here.test": (1,), "ana.sol@here.test": (1,), "bo@here.test": (2,), "all@here.test": (1, 2)}


def resolve(address: Address) -> Resolution:
    accounts = ACCOUNTS.get(str(address))
    if accounts is None:
        return Resolution(Status.REMOTE, (RemoteTarget(address),))
    return Resolution(Status.LOCAL, tuple(LocalTarget(AccountId(one), 0) for one in accounts))


class Source:
    """Settings that stay as they are."""

    def __init__(self, **changes: Any) -> None:
        self.current = Settings(quarantine=Quarantine(**changes))


def letters_of(store: Store, base: str = "https://mx.here.test", **changes: Any) -> HeldLetters:
    routes = build_route_table(Settings().routing, lambda domain: domain == "here.test")
    planner = Planner(Settings(), routes, "mx.here.test", resolve, Idents(), lambda: NOW_MS / 1000)
    posting = Posting(planner)

    def make(content: bytes, to: str, language: str) -> Any:
        return posting.letter(content, "", [to], flags=EntryFlag.NOTICE, owner=1, parent=0, language=language)

    def language_of(address: str) -> str:
        if address.startswith("ana.sol"):
            raise EstafetaError(Kind.NOT_FOUND, "no such user")
        return {"bo@here.test": "ja"}.get(address, "")

    return HeldLetters(
        Means(
            store.database,
            Source(**changes),
            "mx.here.test",
            lambda: NOW_MS / 1000,
            lambda: 7,
            lambda: base,
            resolve,
            language_of,
            make,
        )
    )


def hold(queue: Queue, number: int, *addresses: str, by_users: bool = True, subject: str = "Hi") -> None:
    here = [remote(address, HERE.key) for address in addresses]
    why = Hold("scripts", "why", "X <x@evil.test>", subject, NOW_MS + 30 * DAY, by_users)
    queue.accept(to_queue(number, *here, sender="x@evil.test", lane=Lane.QUARANTINE, hold=why))


def send_all(store: Store, letters: HeldLetters) -> int:
    sent = 0
    for letter in letters.collect():
        prepared = letters.prepare(letter)
        if prepared is not None:
            sent += store.group.run(tell, prepared[0], (prepared[1],))
    return sent


def test_each_user_is_told_once_of_what_is_held_for_them(store: Store) -> None:
    queue = Queue(store)
    hold(queue, 0, "ana@here.test", "bo@here.test", "all@here.test", "far@else.test")
    hold(queue, 1, "ana.sol@here.test", by_users=False)
    letters = letters_of(store)
    assert send_all(store, letters) == 2
    assert send_all(store, letters) == 0
    [ana], [bo] = store.contents(1), store.contents(2)
    text = ana.decode()
    assert "Subject: Held for you: 2\r\n" in text
    assert "Auto-Submitted: auto-generated\r\n" in text
    assert text.count("/held/") == 1
    assert f"postmaster@here.test, number {ident(1):x}" in text
    assert b"charset=utf-8" in bo
    hold(queue, 2, "ana@here.test")
    assert send_all(store, letters) == 1
    assert len(store.contents(1)) == 2
    assert problems(store) == []


def test_the_job_sends_them_where_the_settings_want_it(store: Store) -> None:
    hold(Queue(store), 0, "ana@here.test", "bo@here.test")
    settings: Any = Source(digest=False)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def submit(operation: Any, payload: Any, contents: Any = ()) -> asyncio.Future[Any]:
            done: asyncio.Future[Any] = loop.create_future()
            done.set_result(store.group.run(operation, payload, contents))
            return done

        job = letters_job(letters_of(store), submit, settings, loop, lambda: False)
        await asyncio.to_thread(job.run)
        assert store.contents(1) == []
        settings.current = Settings()
        await asyncio.to_thread(job.run)
        await asyncio.to_thread(job.run)

    asyncio.run(main())
    assert (len(store.contents(1)), len(store.contents(2))) == (1, 1)


def test_the_link_is_the_persons_own(store: Store) -> None:
    hold(Queue(store), 0, "bo@here.test", "ana@here.test")
    letters = letters_of(store)
    [ana] = [one for one in letters.collect() if one.to == "ana@here.test"]
    text = letters.compose(ana, "en").decode()
    token = text.partition("https://mx.here.test/held/")[2].split()[0]
    with store.database.read() as conn:
        offer = check_token(conn, token, NOW_MS)
        assert check_token(conn, token, NOW_MS + 30 * DAY) is None
    assert offer is not None
    assert (offer.address, offer.place) == ("ana@here.test", Place(ident(0), 1))


@pytest.mark.parametrize("language", ["en", "es", "ja", "xx"])
def test_senders_words_are_text_on_one_line(store: Store, language: str) -> None:
    evil = "Pay\r\nBcc: x@y.test \x1b[31m\u202e http://evil.test www.evil.test" + "x" * 500
    hold(Queue(store), 0, "ana@here.test", subject=evil)
    letters = letters_of(store)
    content = letters.compose(letters.collect()[0], language)
    head, _, body = content.partition(b"\r\n\r\n")
    assert b"\r\nBcc" not in content
    assert b"\x1b" not in body
    assert b"evil" not in head
    if language in ("en", "xx"):
        assert b"http: //evil.test www .evil.test" in body


@pytest.mark.parametrize(("base", "changes"), [("", {}), ("https://mx.here.test", {"link_base": "none"})])
def test_without_pages_operators_are_named(store: Store, base: str, changes: dict[str, str]) -> None:
    hold(Queue(store), 0, "ana@here.test")
    letters = letters_of(store, base, **changes)
    text = letters.compose(letters.collect()[0], "en").decode()
    assert "/held/" not in text
    assert "postmaster@here.test" in text
    assert (
        "https://pages.test/held/"
        in letters_of(store, link_base="https://pages.test").compose(letters.collect()[0], "en").decode()
    )


def test_a_letter_has_so_many_and_the_next_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heldletters, "MOST_NAMED", 2)
    queue = Queue(store)
    for number in range(3):
        hold(queue, number, "ana@here.test")
    letters = letters_of(store)
    assert "1 more are in the next letter" in letters.compose(letters.collect()[0], "en").decode()
    assert (send_all(store, letters), send_all(store, letters), send_all(store, letters)) == (1, 1, 0)


def test_what_was_decided_about_meanwhile_is_not_told(store: Store) -> None:
    queue = Queue(store)
    hold(queue, 0, "ana@here.test")
    letters = letters_of(store)
    prepared = letters.prepare(letters.collect()[0])
    assert prepared is not None
    queue.store.group.run(decide, Decided(Decision.DELETE, (Place(ident(0), 0),), NOW_MS))
    assert store.group.run(tell, prepared[0], (prepared[1],)) is False
    assert store.contents(1) == []
