"""What becomes of messages to a list: members, moderation, refusal, loops, portions, the fields of each copy."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from list_house import LIST, POST, House, fates, header, people

from estafeta.journal.records import Code
from estafeta.lists import posting
from estafeta.lists.values import Fate
from estafeta.queue.values import EntryFlag, Lane


def test_a_post_goes_to_all_members_in_one_message(house: House) -> None:
    house.join("ana@example.org", "far@elsewhere.test", "luis@example.org")
    house.directory.pause_members(LIST, ["luis@example.org"])
    result = house.handle(POST)
    assert fates(result) == [Fate.EXPANDED]
    [made] = result.made
    assert people(made) == ["ana@example.org", "far@elsewhere.test"]
    assert made.acceptance.entry is not None
    assert made.acceptance.entry.sender == "news-bounces@example.org"
    assert made.content == (
        b"Return-Path: <news-bounces@example.org>\r\n"
        b"From: Ana <ana@example.org>\r\nTo: news@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n"
        b"List-Id: News <news.example.org>\r\nList-Post: <mailto:news@example.org>\r\n"
        b"List-Help: <mailto:news-request@example.org?subject=help>\r\n"
        b"List-Subscribe: <mailto:news-subscribe@example.org>\r\nList-Owner: <mailto:news-owner@example.org>\r\n"
        b"Precedence: list\r\nX-Loop: news@example.org\r\nList-Unsubscribe: <mailto:news-unsubscribe@example.org>\r\n"
        b"\r\nHi all\r\n"
    )
    [record] = result.records
    assert (record.code, record.message_id, record.text) == (Code.LIST_EXPANDED, 77, "2 members")


WHO_MAY = [
    # post, others, sender, From, flags: fate, lanes of what is made for the list itself
    ("members", "moderate", "ana@example.org", "ana@example.org", 0, Fate.EXPANDED),
    ("members", "moderate", "bounce@sender.test", "far@elsewhere.test", 32, Fate.EXPANDED),
    ("members", "moderate", "stranger@elsewhere.test", "stranger@elsewhere.test", 32, Fate.DONE),
    ("members", "refuse", "stranger@elsewhere.test", "stranger@elsewhere.test", 32, Fate.FAILED),
    ("members", "refuse", "boss@example.org", "boss@example.org", 0, Fate.EXPANDED),
    ("members", "moderate", "ana@example.org", "ana@example.org", 32, Fate.DONE),
    ("posters", "refuse", "ana@example.org", "ana@example.org", 0, Fate.FAILED),
    ("posters", "refuse", "luis@example.org", "luis@example.org", 0, Fate.EXPANDED),
    ("anyone", "refuse", "stranger@elsewhere.test", "stranger@elsewhere.test", 32, Fate.EXPANDED),
    ("members", "refuse", "ana.g@example.org", "ana.g@example.org", 0, Fate.EXPANDED),
    ("members", "refuse", "luis@example.org", "luis@example.org", 0, Fate.EXPANDED),
]


@pytest.mark.parametrize(("post", "others", "sender", "author", "flags", "fate"), WHO_MAY)
def test_who_may_post(house: House, post: str, others: str, sender: str, author: str, flags: int, fate: Fate) -> None:
    house.directory.add_address("ana@example.org", "ana.g@example.org")
    house.directory.add_group("staff@example.org", members=["luis@example.org"])
    house.join("ana@example.org", "far@elsewhere.test", "staff@example.org")
    house.set(post=post, others=others, posters="luis")
    content = POST.replace(b"Ana <ana@example.org>", author.encode())
    assert fates(house.handle(content, sender=sender, flags=EntryFlag(flags))) == [fate]


def test_what_is_held_waits_for_a_moderator_and_goes_out_when_released(house: House) -> None:
    house.join("far@elsewhere.test")
    result = house.handle(POST)
    held, asked, told = result.made
    assert held.acceptance.entry is not None
    assert held.acceptance.entry.lane is Lane.HELD
    assert held.content == b"Return-Path: <ana@example.org>\r\n" + POST
    assert people(asked) == ["boss@example.org"]
    assert "Reply-To: news-confirm+a" in header(asked)
    assert "Subject: Approve for News? Hello" in header(asked)
    assert b"Hi all" in asked.content
    assert people(told) == ["ana@example.org"]
    assert result.records[0].code == Code.LIST_HELD
    released = house.follow(held)
    assert fates(released) == [Fate.EXPANDED]
    assert people(released.made[0]) == ["far@elsewhere.test"]


def test_a_stranger_hears_nothing_of_being_held(house: House) -> None:
    result = house.handle(POST, sender="x@elsewhere.test", flags=EntryFlag.FOREIGN)
    assert [people(made) for made in result.made[1:]] == [["boss@example.org"]]


OUT_OF_PLACE = [
    (b"X-Loop: news@example.org\r\n", "ana@example.org", Fate.DONE),
    (b"X-Loop: <News@Example.org>\r\n", "ana@example.org", Fate.DONE),
    (b"X-Loop: a@x.test\r\n" * 40, "ana@example.org", Fate.FAILED),
    (b"Auto-Submitted: auto-replied (vacation)\r\n", "ana@example.org", Fate.DONE),
    (b"Auto-Submitted: auto-generated\r\n", "ana@example.org", Fate.EXPANDED),
    (b"Content-Type: multipart/report; report-type=delivery-status\r\n", "ana@example.org", Fate.DONE),
    (b"", "", Fate.DONE),
    (b"X: " + b"y" * 3000 + b"\r\n", "ana@example.org", Fate.FAILED),
]


@pytest.mark.parametrize(("field", "sender", "fate"), OUT_OF_PLACE)
def test_what_is_no_post(house: House, field: bytes, sender: str, fate: Fate) -> None:
    house.join("ana@example.org")
    house.set(max_bytes="2000")
    result = house.handle(field + POST, sender=sender)
    assert fates(result) == [fate]
    assert len(result.made) == (fate is Fate.EXPANDED)


def test_a_large_list_is_done_in_portions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "_PORTION", 3)
    names = [f"m{number}@elsewhere.test" for number in range(8)]
    house.join(*names)
    house.set(post="anyone")
    result, reached, rounds = house.handle(POST), [], 0
    while result.made:
        reached += people(result.made[0])
        rounds += 1
        contents = {made.content for made in result.made[:1]}
        assert len(contents) == 1
        if len(result.made) == 1:
            break
        assert len(result.made) == 2
        house.directory.unsubscribe(LIST, ["m6@elsewhere.test"] if rounds == 1 else ["m7@elsewhere.test"])
        result = house.follow(result.made[1])
    assert reached == names[:6]
    assert rounds == 2


def test_personal_copies(house: House) -> None:
    house.join("ana@example.org", "far@elsewhere.test", "quite.a.long.name.for.anybody@department.university.test")
    house.set(personal="full")
    house.settings.set_setting("lists.link_base", "https://mx.example.org/", "test")
    result = house.handle(POST)
    senders = [made.acceptance.entry.sender for made in result.made if made.acceptance.entry]
    assert senders == [
        "news-bounces+ana=example.org@example.org",
        "news-bounces+far=elsewhere.test@example.org",
        "news-bounces@example.org",
    ]
    text = header(result.made[1])
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in text
    assert "List-Unsubscribe: <https://mx.example.org/lists/leave/1.o2-0-" in text
    assert "<mailto:news-unsubscribe+o2-0-" in text
    assert header(result.made[0]) != text


def test_verp_is_left_to_the_delivery(house: House) -> None:
    house.join("ana@example.org")
    for wanted in ({"personal": "verp"}, {"personal": "full", "max_personal_bytes": "10"}):
        house.set(**wanted)
        entry = house.handle(POST).made[0].acceptance.entry
        assert entry is not None
        assert entry.flags & EntryFlag.VERP


CHANGED = [
    ({"subject_prefix": "[News]"}, b"Subject: Hello", b"\r\nSubject: [News] Hello\r\n"),
    ({"subject_prefix": "[News]"}, b"Subject: Re: [News] Hello", b"\r\nSubject: Re: [News] Hello\r\n"),
    ({"subject_prefix": "[Año]"}, b"Subject: Hello", b"\r\nSubject: =?utf-8?B?W0HDsW9d?= Hello\r\n"),
    ({"subject_prefix": "[News]"}, b"X: y", b"\r\nSubject: [News]\r\n"),
    ({"from_field": "munge"}, b"Subject: Hello", b"\r\nFrom: Ana via News <news@example.org>\r\n"),
    ({"from_field": "munge"}, b"Subject: Hello", b"\r\nReply-To: Ana <ana@example.org>\r\n"),
    ({"from_field": "munge"}, b"Reply-To: a@b.test", b"\r\nReply-To: a@b.test\r\n"),
    ({"reply_to": "list"}, b"Reply-To: a@b.test", b"\r\nReply-To: News <news@example.org>\r\n"),
    ({"reply_to": "desk@example.org"}, b"Subject: Hello", b"\r\nReply-To: desk@example.org\r\n"),
    ({"post": "posters", "posters": "ana"}, b"Subject: Hello", b"\r\nList-Post: NO\r\n"),
]


@pytest.mark.parametrize(("options", "field", "expected"), CHANGED)
def test_fields_that_a_list_changes(house: House, options: dict[str, str], field: bytes, expected: bytes) -> None:
    house.join("ana@example.org")
    house.set(**options)
    content = house.handle(POST.replace(b"Subject: Hello", field)).made[0].content
    assert expected in content
    assert content.count(expected.split(b":")[0] + b":") == 1
    assert content.endswith(b"\r\n\r\nHi all\r\n")


def test_fields_that_do_not_go_out(house: House) -> None:
    house.join("ana@example.org")
    asked = b"Disposition-Notification-To: ana@example.org\r\nList-Id: <other.test>\r\n"
    asked += b"List-Unsubscribe: <mailto:x@y.test>,\r\n\t<z:>\r\n"
    text = house.handle(asked + POST).made[0].content
    for word in (b"Disposition", b"other.test", b"y.test", b"<z:>"):
        assert word not in text


def test_a_member_without_a_way_counts_as_a_bounce(house: House) -> None:
    house.join("ana@example.org", "x@lost.test")
    result = house.handle(POST)
    assert [record.code for record in result.records] == [Code.LIST_BOUNCE, Code.LIST_EXPANDED]
    member = next(one for one in house.directory.list_members(LIST) if one.address == "x@lost.test")
    assert member.bounces == 1


def test_a_list_that_is_gone(house: House) -> None:
    house.directory.remove_list(LIST)
    result = house.handle(POST)
    assert (fates(result), result.outcomes[0].status) == ([Fate.FAILED], "5.1.1")


def test_addresses_that_need_smtputf8_go_apart(house: House) -> None:
    house.join("ana@example.org", "jürgen@far.test", "eva@far.test")
    plain, other = house.handle(POST).made
    assert (people(plain), people(other)) == (["ana@example.org", "eva@far.test"], ["jürgen@far.test"])
    assert plain.acceptance.entry is not None
    assert other.acceptance.entry is not None
    assert (plain.acceptance.entry.flags, other.acceptance.entry.flags) == (EntryFlag.NONE, EntryFlag.UTF8)


def test_a_flood_of_posts_is_none_of_letters(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "_MOST_LETTERS", 0)
    assert len(house.handle(POST, sender="x@far.test", flags=EntryFlag.FOREIGN).made) == 1


FIELDS = st.sampled_from(
    [
        b"From",
        b"from ",
        b"Subject",
        b"Reply-To",
        b"X-Loop",
        b"List-Id",
        b"Auto-Submitted",
        b"Content-Type",
        b"Precedence",
    ]
)
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"=?utf-8?Q?a", b"a@b.test, c@d.test", b'"x', b"subscribe", b"multipart/report; boundary=a", b""]),
)
HEADERS = st.lists(st.tuples(FIELDS, VALUES).map(lambda pair: pair[0] + b":" + pair[1]), max_size=6)
WORDS = ["", "-request", "-subscribe", "-unsubscribe+x", "-confirm+j0-a-b", "-bounces", "-bounces+a=b.test", "-next+z"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(HEADERS, st.binary(max_size=200), st.sampled_from(WORDS), st.sampled_from(["", "ana@example.org"]))
def test_any_message_has_an_outcome(house: House, fields: list[bytes], body: bytes, word: str, sender: str) -> None:
    house.set(subject_prefix="[ñ]", from_field="munge", reply_to="list", post="anyone")
    content = b"\r\n".join(fields) + b"\r\n\r\n" + body
    result = house.handle(content, f"news{word}@example.org", sender)
    assert len(result.outcomes) == 1
    for made in result.made:
        head, _, rest = made.content.partition(b"\r\n\r\n")
        assert all(line[:1] in (b" ", b"\t") or b":" in line for line in head.split(b"\r\n"))
        assert rest
