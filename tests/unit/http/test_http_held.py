"""The page of a held message over a real connection: only a button decides, and only for whoever has the link."""

from collections.abc import Callable, Iterator

import pytest
from http_site import START, WebSite

from estafeta.journal.reading import read_records
from estafeta.journal.records import Code
from estafeta.lists.posting import summary_of
from estafeta.queue.accepting import accept
from estafeta.queue.quarantinelinks import make_token
from estafeta.queue.quarantinelook import Choice, HeldMessage, find_held
from estafeta.queue.values import Acceptance, Hold, Lane, NewEntry, NewRecipient
from estafeta.routing.values import HERE
from estafeta.storage.commit import GroupCommit
from estafeta.storage.packs import Packs

NOW_MS = int(START * 1000)
IDENT = NOW_MS << 20
BODY = b"Subject: x\r\n\r\nx\r\n"


@pytest.fixture
def link(web: WebSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Hold a message for two; the path of the link of the first."""
    packs = Packs(tmp_path_factory.mktemp("packs"))

    def hold(*, by_users: bool = True, days: float = 30, number: int = 0) -> str:
        people = tuple(NewRecipient(HERE.key, f"{name}@example.org", NOW_MS, NOW_MS) for name in ("boss", "eva"))
        why = Hold("scripts", "a <b>", "<script>X</script>", "Hi", NOW_MS + int(days * 86_400_000), by_users)
        entry = NewEntry(IDENT, "x@far.test", 1, people, len(BODY), NOW_MS, Lane.QUARANTINE, hold=why)
        GroupCommit(web.directory.database, packs).run(accept, (Acceptance(summary_of(BODY), entry=entry),), (BODY,))
        return f"/held/{make_token(held(web)[0], number)}"

    yield hold
    packs.close()


def held(web: WebSite) -> list[HeldMessage]:
    with web.directory.database.read() as conn:
        return list(find_held(conn, Choice(everything=True)))


def waiting(web: WebSite) -> list[str]:
    return [one.address for found in held(web) for one in found.recipients]


def test_looking_changes_nothing_and_shows_text(
    web: WebSite, play: Callable[..., None], link: Callable[..., str]
) -> None:
    async def scene(web: WebSite) -> None:
        path = link()
        for _ in range(2):
            reply = await web.request("GET", path)
            assert reply.status == 200
            assert "&lt;script&gt;X&lt;/script&gt;" in reply.body
            assert "<script>" not in reply.body
            assert "Deliver it" in reply.body
        assert waiting(web) == ["boss@example.org", "eva@example.org"]
        spanish = await web.request("GET", path, Accept_Language="es")
        assert "Hay un mensaje retenido" in spanish.body
        # A program that posts to all it finds decides nothing.
        for body in ("", "List-Unsubscribe=One-Click", "act=other"):
            assert (await web.request("POST", path, body)).status == 400
        assert waiting(web) == ["boss@example.org", "eva@example.org"]

    play(scene)


@pytest.mark.parametrize(("act", "code"), [("release", Code.RELEASED), ("delete", Code.REMOVED)])
def test_a_button_decides_for_one_recipient_and_once(
    web: WebSite, play: Callable[..., None], link: Callable[..., str], act: str, code: Code
) -> None:
    async def scene(web: WebSite) -> None:
        path = link()
        assert (await web.request("POST", path, f"act={act}")).status == 200
        assert waiting(web) == ["eva@example.org"]
        for again in ("release", "delete"):
            assert (await web.request("POST", path, f"act={again}")).status == 404
        assert waiting(web) == ["eva@example.org"]

    play(scene)
    [record] = [one for one in read_records(web.directory.database, IDENT) if one.code in (Code.RELEASED, Code.REMOVED)]
    assert (record.code, record.address) == (code, "boss@example.org")
    assert "127.0.0.1" in record.detail["who"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path[:-1] + ("a" if path[-1] != "a" else "b"),
        lambda path: path.replace("-0-", "-1-"),
        lambda path: path.replace("-0-", "-00000001-"),
        lambda path: path + "a",
        lambda path: "/held/" + "f" * 16 + path[path.index("-") :],
        lambda path: "/held/x",
    ],
)
def test_false_links_permit_nothing(
    web: WebSite, play: Callable[..., None], link: Callable[..., str], spoil: Callable[[str], str]
) -> None:
    async def scene(web: WebSite) -> None:
        path = spoil(link())
        assert (await web.request("GET", path)).status == 404
        assert (await web.request("POST", path, "act=release")).status == 404
        assert len(waiting(web)) == 2

    play(scene)


@pytest.mark.parametrize("how", [{"by_users": False}, {"days": 0}])
def test_neither_too_old_nor_what_is_for_operators(
    web: WebSite, play: Callable[..., None], link: Callable[..., str], how: dict[str, float]
) -> None:
    async def scene(web: WebSite) -> None:
        path = link(**how)
        assert (await web.request("GET", path)).status == 404
        assert (await web.request("POST", path, "act=release")).status == 404
        assert len(waiting(web)) == 2

    play(scene)
