"""The pages of lists over a real connection: what changes something and what does not, and who is told what."""

import re
from collections.abc import Callable

import pytest
from http_site import LIST, WebSite

from estafeta.journal.records import Code
from estafeta.lists.tokens import Act
from estafeta.policy.networks import Networks
from estafeta.servers.http.allowance import PER_ADDRESS, PER_CLIENT

PAGE = f"/lists/{LIST}"


def title(body: str) -> str:
    found = re.search(r"<h1>(.*)</h1>", body)
    assert found is not None
    return found[1]


def test_a_mail_program_unsubscribes_by_one_click(web: WebSite, play: Callable[..., None]) -> None:
    """RFC 8058 3.2: no cookies, no redirect, nothing asked; and asked twice it is as done as the first time."""
    web.join("eva@far.test", "luis@far.test")

    async def scene(web: WebSite) -> None:
        link = web.link(Act.OUT, number=1)
        for _ in range(2):
            reply = await web.request("POST", link, "List-Unsubscribe=One-Click")
            assert (reply.status, title(reply.body)) == (200, "You are unsubscribed")
            assert "set-cookie" not in reply.fields
            assert web.members() == ["luis@far.test"]

    play(scene)
    assert [to for to, _ in web.letters] == ["eva@far.test"]
    assert "Subject: You have left News" in web.letters[0][1]
    [record] = web.records
    assert (record.code, record.address, record.peer) == (Code.LIST_COMMAND, "eva@far.test", "127.0.0.1")


def test_a_one_click_form_may_be_multipart(web: WebSite, play: Callable[..., None]) -> None:
    web.join("eva@far.test")
    body = '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'

    async def scene(web: WebSite) -> None:
        link = web.link(Act.OUT, number=1)
        reply = await web.request("POST", link, body, Content_Type="multipart/form-data; boundary=x")
        assert reply.status == 200

    play(scene)
    assert web.members() == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_only_looks_changes_nothing(web: WebSite, play: Callable[..., None], method: str) -> None:
    web.join("eva@far.test")
    links = [web.link(Act.OUT, number=1), web.link(Act.LEAVE, "eva@far.test"), web.link(Act.JOIN, "new@far.test")]

    async def scene(web: WebSite) -> None:
        for link in links:
            assert (await web.request(method, link)).status == 200

    play(scene)
    assert (web.members(), web.letters, web.records) == (["eva@far.test"], [], [])


def test_a_page_has_a_button_that_does_it(web: WebSite, play: Callable[..., None]) -> None:
    async def scene(web: WebSite) -> None:
        link = web.link(Act.JOIN, "eva@far.test")
        shown = (await web.request("GET", link)).body
        assert title(shown) == "Subscribe to News &lt;b&gt;?"
        assert '<form method="post">' in shown
        for _ in range(2):
            done = await web.request("POST", link)
            assert (done.status, title(done.body)) == (200, "You are subscribed")
        assert web.members() == ["eva@far.test"]
        link = web.link(Act.LEAVE, "eva@far.test")
        assert title((await web.request("GET", link)).body) == "Unsubscribe from News &lt;b&gt;?"
        done = await web.request("POST", link)
        assert f'<a href="../{LIST}">' in done.body
        assert web.members() == []

    play(scene)
    assert [re.search("Subject: (.*)\r", one)[1] for _, one in web.letters] == [  # type: ignore[index]
        "Welcome to News <b>",
        "You have left News <b>",
    ]


def test_links_that_do_not_count(web: WebSite, play: Callable[..., None]) -> None:
    web.join("eva@far.test")
    late, good = web.link(Act.LEAVE, "eva@far.test", days=-1), web.link(Act.OUT, number=1)
    false = good[:-1] + ("x" if good[-1] != "x" else "y")
    other = web.link(Act.LEAVE, "eva@far.test").replace(".l0", ".j0")

    async def scene(web: WebSite) -> None:
        for link in (late, false, other, "/lists/confirm/x", "/lists/leave/%00", f"/lists/leave/{'a' * 9000}"):
            for method in ("GET", "POST"):
                reply = await web.request(method, link)
                assert (reply.status, title(reply.body)) == (404, "This link no longer works")

    play(scene)
    assert web.members() == ["eva@far.test"]


def test_a_full_list(web: WebSite, play: Callable[..., None]) -> None:
    web.settings.set_setting("lists.max_members", "1", "test")
    web.join("eva@far.test")

    async def scene(web: WebSite) -> None:
        reply = await web.request("POST", web.link(Act.JOIN, "luis@far.test"))
        assert reply.status == 409
        assert "news-owner@example.org" in reply.body

    play(scene)


@pytest.mark.parametrize(
    ("options", "form", "member", "subject", "link"),
    [
        ({}, "address=Eva%40far.test&act=join", False, "Please confirm: join", True),
        ({"subscribe": "open"}, "address=Eva%40far.test&act=join", False, "Please confirm: join", True),
        ({"subscribe": "approve"}, "address=Eva%40far.test&act=join", False, "Please confirm: join", False),
        ({}, "address=Eva%40far.test&act=join", True, "You are a member of", False),
        ({}, "address=Eva%40far.test&act=leave", True, "Please confirm: leave", True),
        ({}, "act=leave&address=Eva%40far.test", False, "You are no member of", False),
    ],
)
def test_whoever_types_an_address_learns_nothing_and_the_address_gets_a_letter(
    web: WebSite,
    play: Callable[..., None],
    options: dict[str, str],
    form: str,
    member: bool,
    subject: str,
    link: bool,
) -> None:
    web.directory.change_list(LIST, options)
    before = ["eva@far.test"] if member else []
    web.join(*before)

    async def scene(web: WebSite) -> None:
        reply = await web.request("POST", PAGE, form)
        assert (reply.status, title(reply.body)) == (200, "Look into your mailbox")

    play(scene)
    assert web.members() == before
    [(to, letter)] = web.letters
    assert to == "Eva@far.test"
    assert f"Subject: {subject} News" in letter
    assert ("https://mx.example.org/lists/confirm/" in letter) == link


def test_a_closed_list_shows_its_address_only(web: WebSite, play: Callable[..., None]) -> None:
    web.directory.change_list(LIST, {"subscribe": "closed", "description": "secret plans"})

    async def scene(web: WebSite) -> None:
        shown = (await web.request("GET", PAGE)).body
        assert title(shown) == LIST
        assert "secret" not in shown
        assert 'value="join"' not in shown
        assert 'value="leave"' in shown
        assert (await web.request("POST", PAGE, "address=eva@far.test&act=join")).status == 403

    play(scene)
    assert web.letters == []


@pytest.mark.parametrize("address", ["nix@example.org", "x", "boss@example.org", "%00@%ff", "", "a/b@example.org"])
def test_no_list(web: WebSite, play: Callable[..., None], address: str) -> None:
    async def scene(web: WebSite) -> None:
        for method in ("GET", "POST"):
            reply = await web.request(method, f"/lists/{address}")
            assert (reply.status, title(reply.body)) == (404, "There is no such list here")

    play(scene)


@pytest.mark.parametrize("form", ["", "address=", "address=x", "address=a%0d%0aBcc:x@y.test", "a=1&" * 500, "\x00\xff"])
def test_what_is_no_address(web: WebSite, play: Callable[..., None], form: str) -> None:
    async def scene(web: WebSite) -> None:
        reply = await web.request("POST", PAGE, form)
        assert (reply.status, title(reply.body)) == (400, "This is not an e-mail address")

    play(scene)
    assert web.letters == []


def test_addresses_get_few_letters_and_clients_cause_few(web: WebSite, play: Callable[..., None]) -> None:
    async def ask(number: str) -> int:
        return (await web.request("POST", PAGE, f"address=eva{number}@far.test&act=join")).status

    async def scene(web: WebSite) -> None:
        assert [await ask("%2B" + str(n)) for n in range(PER_ADDRESS + 1)] == [200] * PER_ADDRESS + [429]
        more = PER_CLIENT - PER_ADDRESS
        assert [await ask(str(n)) for n in range(more + 1)] == [200] * more + [429]
        web.exempt = Networks(["127.0.0.0/8"])
        assert [await ask(str(n)) for n in range(100, 100 + PER_CLIENT)] == [200] * PER_CLIENT
        web.exempt = Networks(())
        web.hours[0] += 3601
        assert await ask("") == 200

    play(scene)


@pytest.mark.parametrize(
    ("accepted", "language", "words"),
    [
        ("", "es", "Suscribirse"),
        ("de", "es", "Suscribirse"),
        ("ja, en;q=0.5", "ja", "登録する"),
        ("en-GB", "en", "Subscribe"),
    ],
)
def test_a_page_speaks_the_language_of_its_reader_else_of_its_list(
    web: WebSite, play: Callable[..., None], accepted: str, language: str, words: str
) -> None:
    web.directory.change_list(LIST, {"language": "es"})

    async def scene(web: WebSite) -> None:
        reply = await web.request("GET", PAGE, Accept_Language=accepted)
        assert f'<html lang="{language}">' in reply.body
        assert words in reply.body

    play(scene)
