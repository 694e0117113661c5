"""Joining, leaving, confirming, moderating by mail: what is answered, what changes, what is ignored."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from list_house import DAY, LIST, POST, START, House, fates, header, people

from estafeta.core.errors import EstafetaError
from estafeta.directory.listnames import role_of, split_role, verp_address, verp_member, with_role
from estafeta.directory.listvalues import ListOptions, MailingList
from estafeta.directory.model import ListRole
from estafeta.lists.letters import TEXTS, Letter, compose_letter
from estafeta.lists.links import apply_link, check_link
from estafeta.lists.tokens import Act, check_token, make_link, make_token, parse_link, parse_token
from estafeta.lists.values import Fate, ListResult
from estafeta.mail.scan import MessageScanner
from estafeta.queue.values import EntryFlag


def mail(author: str, subject: str = "", text: str = "", fields: str = "") -> bytes:
    return f"From: {author}\r\nSubject: {subject}\r\n{fields}\r\n{text}\r\n".encode()


def to(house: House, word: str, author: str, subject: str = "", fields: str = "", **more: object) -> ListResult:
    return house.handle(mail(author, subject, fields=fields), f"news-{word}@example.org", author, **more)  # type: ignore[arg-type]


def said(result: ListResult) -> list[tuple[str, str]]:
    """Of each letter: to whom, and the subject."""
    found = []
    for made in result.made:
        subject = re.search(r"Subject: (.*(?:\r\n .*)*)", header(made))
        assert subject is not None
        found.append((people(made)[0], subject[1].replace("\r\n", "").strip()))
    return found


def reply_to(result: ListResult) -> str:
    found = re.search(r"Reply-To: (\S+)", header(result.made[0]))
    assert found is not None
    return found[1]


def test_joining_with_confirmation(house: House) -> None:
    asked = to(house, "subscribe", "Eva@elsewhere.test")
    assert said(asked) == [("Eva@elsewhere.test", "Please confirm: join News")]
    assert asked.made[0].acceptance.entry is not None
    assert asked.made[0].acceptance.entry.flags & EntryFlag.NOTICE
    assert house.members() == []
    address = reply_to(asked)
    assert re.fullmatch(r"news-confirm\+j0-\w+-[a-z2-7]{16}@example.org", address)
    stolen = house.handle(mail("other@elsewhere.test"), address, "other@elsewhere.test")
    assert said(stolen) == [("other@elsewhere.test", "That could not be confirmed: News")]
    vacation = mail("eva@elsewhere.test", fields="Auto-Submitted: auto-replied\r\n")
    assert house.handle(vacation, address, "eva@elsewhere.test").made == ()
    assert house.members() == []
    joined = house.handle(mail("Eva Sol <eva@elsewhere.test>"), address.upper(), "eva@elsewhere.test")
    assert said(joined) == [("eva@elsewhere.test", "Welcome to News")]
    [member] = house.directory.list_members(LIST)
    assert (member.address, member.display_name, member.how) == ("eva@elsewhere.test", "Eva Sol", "mail")
    assert said(to(house, "join", "eva@elsewhere.test")) == [("eva@elsewhere.test", "You are a member of News already")]


def test_a_confirmation_that_comes_too_late(house: House) -> None:
    address = reply_to(to(house, "subscribe", "eva@elsewhere.test"))
    house.clock[0] += 8 * DAY
    house.handle(mail("eva@elsewhere.test"), address, "eva@elsewhere.test")
    assert house.members() == []


def test_other_ways_to_join(house: House) -> None:
    house.set(subscribe="open", welcome="off")
    assert to(house, "subscribe", "a@x.test").made == ()
    assert house.members() == ["a@x.test"]
    house.set(subscribe="closed")
    assert said(to(house, "subscribe", "b@x.test")) == [("b@x.test", "News takes no subscriptions by mail")]


def test_joining_with_consent_of_the_owner(house: House) -> None:
    house.set(subscribe="approve")
    confirm = reply_to(to(house, "subscribe", "eva@x.test"))
    asked = house.handle(mail("eva@x.test"), confirm, "eva@x.test")
    assert said(asked) == [
        ("boss@example.org", "May this person join News? <eva@x.test>"),
        ("eva@x.test", "Your wish to join News waits for its owner"),
    ]
    assert house.members() == []
    address = reply_to(asked)
    wrong = mail("boss@example.org", "Re: May this person join News? <other@x.test>")
    assert said(house.handle(wrong, address, "boss@example.org"))[0][1].startswith("That could not be")
    agreed = mail("boss@example.org", "RE: May this person join News? <eva@x.test>")
    house.handle(agreed, address, "boss@example.org")
    assert house.members() == ["eva@x.test"]


def test_leaving(house: House) -> None:
    house.join("eva@x.test", "ana@example.org")
    assert said(to(house, "unsubscribe", "no@x.test")) == [("no@x.test", "You are no member of News")]
    assert said(to(house, "leave", "Eva@x.test")) == [("Eva@x.test", "You have left News")]
    # From outside anybody can write as one of our users: they are asked.
    forged = to(house, "leave", "ana@example.org", flags=EntryFlag.FOREIGN)
    assert said(forged) == [("ana@example.org", "Please confirm: leave News")]
    house.handle(mail("ana@example.org"), reply_to(forged), "ana@example.org", EntryFlag.FOREIGN)
    assert house.members() == []


def test_leaving_with_a_token_works_for_programs_too(house: House) -> None:
    house.join("eva@x.test")
    found = house.directory.get_list(LIST)
    token = make_token(found, Act.OUT, number=1)
    program = mail("robot@x.test", fields="Auto-Submitted: auto-generated\r\n")
    assert said(house.handle(program, f"news-unsubscribe+{token}@example.org", "")) == [
        ("eva@x.test", "You have left News")
    ]
    assert house.members() == []
    assert fates(house.handle(program, f"news-unsubscribe+{token}@example.org", "")) == [Fate.DONE]


REQUESTS = [
    ("subscribe", "", "Please confirm: join News"),
    ("Re: Subscribe", "", "Please confirm: join News"),
    ("alta", "", "Please confirm: join News"),
    ("登録", "", "Please confirm: join News"),
    ("", "unsubscribe", "You are no member of News"),
    ("hello", "who are you?", "How to use News"),
    ("help", "", "How to use News"),
]


@pytest.mark.parametrize(("subject", "text", "answer"), REQUESTS)
def test_words_in_requests(house: House, subject: str, text: str, answer: str) -> None:
    result = house.handle(mail("eva@x.test", subject, text), "news-request@example.org", "eva@x.test")
    assert said(result) == [("eva@x.test", answer)]


AUTOMATIC = ["Auto-Submitted: auto-generated", "Precedence: bulk", "List-Id: <x.test>", "X-Autoreply: yes"]


@pytest.mark.parametrize("word", ["request", "subscribe", "unsubscribe", "confirm"])
@pytest.mark.parametrize("field", [*AUTOMATIC, ""])
def test_programs_get_no_answer(house: House, word: str, field: str) -> None:
    content = mail("robot@x.test", "help", fields=f"{field}\r\n" if field else "")
    result = house.handle(content, f"news-{word}@example.org", "robot@x.test" if field else "")
    assert (fates(result), result.made) == ([Fate.DONE], ())


def test_a_command_sent_to_everybody(house: House) -> None:
    house.join("eva@x.test", "ana@example.org")
    assert said(house.handle(mail("eva@x.test", "Unsubscribe"), sender="eva@x.test")) == [
        ("eva@x.test", "You have left News")
    ]


@pytest.mark.parametrize(("which", "approved"), [("Reply-To", True), ("write any message to", False)])
def test_a_moderator_decides_by_mail(house: House, which: str, approved: bool) -> None:
    from estafeta.queue.tables import destinations, entries, recipients

    result = house.handle(POST, sender="luis@example.org")
    entry = result.made[0].acceptance.entry
    assert entry is not None
    with house.directory.database.write() as tx:
        tx.conn.execute(destinations.insert().values(_row(destinations, destination_id=1, hop=f"list:{LIST}")))
        kept = _row(entries, entry_id=entry.entry_id, sender=entry.sender, content_id=1)
        tx.conn.execute(entries.insert().values(kept))
        one = entry.recipients[0]
        waiting = _row(recipients, destination_id=1, lane=9, entry_id=entry.entry_id, address=one.address)
        tx.conn.execute(recipients.insert().values(waiting | {"expires_ms": one.expires_ms}))
    found = re.search(which + r":?\s+(news-confirm\+\S+)", result.made[1].content.decode())
    assert found is not None
    answer = house.handle(mail("boss@home.test", "Re: Approve"), found[1], "boss@home.test")
    [decision] = answer.moderated
    assert (decision.entry_id, decision.approved) == (entry.entry_id, approved)
    assert said(answer) == ([] if approved else [("luis@example.org", "Your message to News was not approved")])


def _row(table: object, **given: object) -> dict[str, object]:
    values: dict[str, object] = {}
    for column in table.columns:  # type: ignore[attr-defined]
        values[column.name] = "" if column.type.python_type is str else 0
    return values | given


def test_a_link_to_join_and_to_leave(house: House) -> None:
    house.settings.set_setting("lists.link_base", "https://mx.example.org", "test")
    letter = to(house, "subscribe", "eva@x.test").made[0].content.decode()
    found = re.search(r"https://mx.example.org/lists/confirm/(\S+)", letter)
    assert found is not None
    offer = check_link(house.directory, found[1], START)
    assert offer is not None
    assert (offer.act, offer.address) == (Act.JOIN, "eva@x.test")
    assert house.members() == []
    assert apply_link(house.directory, offer)
    assert not apply_link(house.directory, offer)
    assert house.members() == ["eva@x.test"]
    out = check_link(house.directory, make_link(house.directory.get_list(LIST), Act.OUT, number=1), START)
    assert out is not None
    assert apply_link(house.directory, out)
    assert not apply_link(house.directory, out)
    for text in (found[1][:-1], "1." + found[1], "", "1.o1-0-aaaaaaaaaaaaaaaa", "zz"):
        assert check_link(house.directory, text, START) is None
    assert check_link(house.directory, found[1], START + 9 * DAY) is None
    house.directory.renew_list_secret(LIST)
    assert check_link(house.directory, found[1], START) is None


NEWS = MailingList(7, "news@example.org", "news@example.org", ListOptions(name="Años"), bytes(32), 0)


@given(st.sampled_from(list(Act)), st.integers(0, 2**63), st.integers(0, 40_000), st.text(max_size=40))
def test_tokens_come_back_as_they_were_made(act: Act, number: int, day: int, about: str) -> None:
    text = make_token(NEWS, act, number=number, day=day, about=about)
    token = parse_token(text.upper())
    assert token is not None
    assert (token.act, token.number, token.day) == (act, number, day)
    assert check_token(NEWS, token, day * DAY, about)
    assert not check_token(NEWS, token, day * DAY, about + "x")
    assert not check_token(NEWS, token._replace(number=number + 1), day * DAY, about)
    link = parse_link(make_link(NEWS, act, number=number, day=day, about=about.encode("utf-8", "replace").decode()))
    assert link is not None
    assert link.list_id == 7


@given(st.text(max_size=60))
def test_any_text_may_be_a_token_a_link_or_an_address(text: str) -> None:
    parse_token(text)
    parse_link(text)
    split_role(text)
    role_of("news@example.org", text)
    verp_member(text)


ROLES = [
    ("news@example.org", ListRole.POST, ""),
    ("news-request@example.org", ListRole.REQUEST, ""),
    ("News-Leave@example.org", ListRole.UNSUBSCRIBE, ""),
    ("news-bounces+ana=x.test@example.org", ListRole.BOUNCES, "ana=x.test"),
    ("news-next+12@example.org", ListRole.NEXT, "12"),
    ("other-next+12@example.org", ListRole.POST, ""),
    ("news-nobody@example.org", ListRole.POST, ""),
]


@pytest.mark.parametrize(("address", "role", "argument"), ROLES)
def test_roles_of_addresses(address: str, role: ListRole, argument: str) -> None:
    assert role_of("news@example.org", address) == (role, argument)


VERP = [
    ("ana@x.test", "news-bounces+ana=x.test@example.org", "ana@x.test"),
    ("a=b+c@x.test", "news-bounces+a=b+c=x.test@example.org", "a=b+c@x.test"),
    ("jürgen@x.test", "news-bounces@example.org", ""),
    ('"a b"@x.test', "news-bounces@example.org", ""),
    ("a" * 60 + "@x.test", "news-bounces@example.org", ""),
]


@pytest.mark.parametrize(("member", "address", "back"), VERP)
def test_verp(member: str, address: str, back: str) -> None:
    made = verp_address(with_role("news@example.org", "bounces"), member)
    assert made == address
    assert verp_member(role_of("news@example.org", made)[1]) == back


@pytest.mark.parametrize("letter", list(Letter))
@pytest.mark.parametrize("language", list(TEXTS))
def test_every_letter_in_every_language(letter: Letter, language: str) -> None:
    found = MailingList(7, LIST, LIST, ListOptions(name="Año", language=language), bytes(32), 0)  # type: ignore[arg-type]
    words = dict.fromkeys(("who", "subject", "reason", "text", "days", "size", "reject"), "{x} a\r\nBcc: b@x.test")
    content = compose_letter(
        found, letter, "a@x.test", hostname="h", ident=1, now=0, reply_to="r@x.test", link="https://l", **words
    )
    assert content.isascii()
    assert b"\nBcc:" not in content.partition(b"\r\n\r\n")[0]
    scanner = MessageScanner()
    scanner.feed(content)
    summary = scanner.close()
    assert summary.defects == ()
    assert summary.subject
    assert "{title}" not in summary.preview


def test_an_error_of_the_directory_is_an_outcome(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from estafeta.core.errors import Kind

    def fail(kind: Kind) -> None:
        def raising(*args: object) -> bool:
            raise EstafetaError(kind, "Wait.")

        monkeypatch.setattr(house.directory, "may_post", raising)

    fail(Kind.TEMPORARY)
    assert fates(house.handle(POST)) == [Fate.LATER]
    fail(Kind.LIMIT)
    assert fates(house.handle(POST)) == [Fate.FAILED]
