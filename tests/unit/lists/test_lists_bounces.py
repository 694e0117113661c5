"""Mail that comes back: whose it is, counted once a day, and when a member is taken out."""

import pytest
from list_house import DAY, LIST, House, people

from estafeta.journal.records import Code

REPORT = b"""From: MAILER-DAEMON@x.test
To: news-bounces@example.org
Subject: failure
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

no
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; x.test

Original-Recipient: rfc822; %b
Final-Recipient: rfc822; %b
Action: %b
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b--
""".replace(b"\n", b"\r\n")
QMAIL = b"From: MAILER-DAEMON@x.test\r\nSubject: failure notice\r\n\r\nHi. I could not deliver your message.\r\n"
BOUNCES = "news-bounces@example.org"
VERP = "news-bounces+eva=x.test@example.org"

CASES = [
    (BOUNCES, REPORT % (b"eva@x.test", b"e@inner.test", b"failed"), 1),
    (BOUNCES, REPORT % (b"eva.sol@x.test", b"Eva@x.test", b"failed"), 1),
    (BOUNCES, REPORT % (b"eva@x.test", b"eva@x.test", b"delayed"), 0),
    (BOUNCES, REPORT % (b"nobody@x.test", b"nobody@x.test", b"failed"), 0),
    (VERP, REPORT % (b"e@inner.test", b"e@inner.test", b"failed"), 1),
    (VERP, REPORT % (b"e@inner.test", b"e@inner.test", b"delayed"), 0),
    (VERP, QMAIL, 1),
    (VERP, b"Auto-Submitted: auto-replied\r\nSubject: away\r\n\r\nI am away\r\n", 0),
    (BOUNCES, QMAIL, 0),
    (VERP, b"", 1),
]


@pytest.mark.parametrize(("address", "content", "bounces"), CASES)
def test_whose_bounce_it_is(house: House, address: str, content: bytes, bounces: int) -> None:
    house.join("eva@x.test", "luis@x.test")
    result = house.handle(content, address, "")
    assert {record.code for record in result.records} == {Code.LIST_BOUNCE}
    assert [one.bounces for one in house.directory.list_members(LIST)] == [bounces, 0]


def test_bounces_count_once_a_day_until_it_is_enough(house: House) -> None:
    house.join("eva@x.test")
    house.settings.set_setting("lists.max_bounce_days", "3", "test")
    report = REPORT % (b"eva@x.test", b"eva@x.test", b"failed")
    for _ in range(2):
        for _ in range(3):
            assert house.handle(report, BOUNCES, "").made == ()
        house.clock[0] += DAY
    result = house.handle(report, BOUNCES, "")
    assert [people(made) for made in result.made] == [["eva@x.test"], ["news-owner@example.org"]]
    assert b"5.1.1" in result.made[0].content
    assert house.members() == []


def test_bounces_are_forgotten(house: House) -> None:
    house.join("eva@x.test")
    house.settings.set_setting("lists.max_bounce_days", "2", "test")
    report = REPORT % (b"eva@x.test", b"eva@x.test", b"failed")
    house.handle(report, BOUNCES, "")
    house.clock[0] += 31 * DAY
    house.handle(report, BOUNCES, "")
    assert [one.bounces for one in house.directory.list_members(LIST)] == [1]


def test_a_list_that_keeps_those_who_bounce(house: House) -> None:
    house.join("eva@x.test")
    house.set(bounces="off")
    for _ in range(10):
        house.handle(QMAIL, VERP, "")
        house.clock[0] += DAY
    assert house.members() == ["eva@x.test"]
