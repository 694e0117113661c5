"""Which notices are due: NOTIFY, null reverse-paths, notices of notices, backscatter, copies, and what goes back."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.notice_values import About, Due, Fate, Made, Result, about_work, result_of
from estafeta.delivery.notices import Notifier
from estafeta.delivery.values import ReplyInfo
from estafeta.directory.settings_outward import Notices
from estafeta.journal.records import Record
from estafeta.mail.dsn_parse import ParsedReport, parse_report
from estafeta.mail.scan import MessageScanner
from estafeta.queue.values import Acceptance, EntryFlag, NewEntry, Place, Waiting, Work

NOW = 1_800_000_000.0
UNKNOWN = ReplyInfo(550, "5.1.1", "User unknown", "RCPT")
SPAM = ReplyInfo(554, "5.7.1", "Looks like spam", "DATA")
FULL = ReplyInfo(452, "4.2.2", "Mailbox full", "RCPT")
CONTENT = b"Subject: Plans\r\nMessage-ID: <1@x>\r\n\r\nThe whole body\r\n"
ABOUT = About(0x18F, "jo@example.com", int(NOW * 1000) - 5 * 86_400_000, size=len(CONTENT), subject="Plans")


@dataclass
class Post:
    """A plan that only remembers; it refuses the recipients in `refuses`."""

    sent: list[tuple[str, tuple[str, ...], EntryFlag, str]] = field(default_factory=list)
    refuses: dict[str, Kind] = field(default_factory=dict)
    nobody: bool = False

    def __call__(
        self,
        content: bytes,
        sender: str,
        recipients: tuple[str, ...],
        *,
        ident: int,
        flags: EntryFlag,
        language: str,
        records: tuple[Record, ...],
    ) -> Made:
        for recipient in recipients:
            if recipient in self.refuses:
                raise EstafetaError(self.refuses[recipient], "Nobody takes it.")
        self.sent.append((sender, recipients, flags, language))
        scanner = MessageScanner()
        scanner.feed(content)
        entry = None if self.nobody else NewEntry(ident, sender, 0, (), len(content), int(NOW * 1000))
        return Made(Acceptance(scanner.close(), entry=entry, records=records), content)


@dataclass
class Reader:
    asked: list[bool] = field(default_factory=list)

    def __call__(self, whole: bool) -> bytes:
        self.asked.append(whole)
        return CONTENT


def notifier(post: Post, *, language_of: Callable[[str], str] = lambda a: "", **settings: object) -> Notifier:
    numbers = iter(range(0x200, 0x300))
    return Notifier(
        hostname="mail.example.com",
        settings=lambda: Notices.model_validate(settings),
        plan=post,
        new_ident=lambda: next(numbers),
        clock=lambda: NOW,
        language_of=language_of,
        is_list_bounce=lambda address: address.startswith("news-bounces"),
    )


def make(*results: Result, about: About = ABOUT, **settings: object) -> tuple[Due, Post, Reader]:
    post, reader = Post(), Reader()
    made = notifier(post, **settings).make(about, results, reader)  # type: ignore[arg-type]
    return made, post, reader


def parsed(due: Due, number: int = 0) -> ParsedReport:
    report = parse_report(due.made[number].content)
    assert report is not None
    return report


def failed(address: str = "bob@example.org", reply: ReplyInfo = UNKNOWN, notify: str = "") -> Result:
    return Result(address, Fate.FAILED, notify, reply=reply, mta="mx.example.org")


def codes(due: Due) -> list[tuple[str, str]]:
    return [(record.code, record.address) for record in due.records]


def test_one_notice_for_all_that_failed() -> None:
    due, post, _ = make(failed(), failed("eve@example.org", SPAM))
    assert post.sent == [("", ("jo@example.com",), EntryFlag.NOTICE, "en")]
    report = parsed(due)
    assert [(r.address, r.action, r.status) for r in report.recipients] == [
        ("bob@example.org", "failed", "5.1.1"),
        ("eve@example.org", "failed", "5.7.1"),
    ]
    assert report.message_id == "<1@x>"
    assert codes(due) == [("AP", "bob@example.org"), ("AP", "eve@example.org")]
    assert due.records[0] == Record(
        0x18F, "AP", "bob@example.org", text="550 5.1.1 User unknown", detail='{"notice":"200"}'
    )
    [made_here] = due.made[0].acceptance.records
    assert (made_here.message_id, made_here.code, made_here.detail) == (
        0x200,
        "EH",
        '{"parent":"18f","to":["jo@example.com"]}',
    )


OURS, FOREIGN = EntryFlag.NONE, EntryFlag.FOREIGN


@pytest.mark.parametrize(
    ("fate", "notify", "flags", "reply", "code"),
    [
        (Fate.FAILED, "", OURS, UNKNOWN, "AP"),
        (Fate.FAILED, "FAILURE,DELAY", OURS, UNKNOWN, "AP"),
        (Fate.FAILED, "SUCCESS", OURS, UNKNOWN, "AN"),
        (Fate.FAILED, "NEVER", OURS, UNKNOWN, "AN"),
        (Fate.FAILED, "never", OURS, UNKNOWN, "AN"),
        (Fate.FAILED, "", EntryFlag.NOTICE, UNKNOWN, "AN"),
        (Fate.FAILED, "", OURS, SPAM, "AP"),
        (Fate.FAILED, "", FOREIGN, UNKNOWN, "AP"),
        (Fate.FAILED, "", FOREIGN, SPAM, "AN"),
        (Fate.EXPIRED, "", FOREIGN, FULL, "AP"),
        (Fate.EXPIRED, "", OURS, None, "AP"),
        (Fate.REMOVED, "", OURS, None, "AP"),
        (Fate.DELAYED, "", OURS, FULL, "7D"),
        (Fate.DELAYED, "DELAY", FOREIGN, FULL, "7D"),
        (Fate.DELAYED, "", FOREIGN, FULL, None),
        (Fate.DELAYED, "FAILURE", OURS, FULL, None),
        (Fate.DELAYED, "NEVER", OURS, FULL, None),
        (Fate.DELIVERED, "", OURS, None, None),
        (Fate.DELIVERED, "SUCCESS,FAILURE", OURS, None, "7R"),
        (Fate.RELAYED, "SUCCESS", OURS, None, "7R"),
        (Fate.EXPANDED, "SUCCESS", FOREIGN, None, "7R"),
        (Fate.RELAYED, "FAILURE", OURS, None, None),
        (Fate.RELAYED, "SUCCESS", EntryFlag.NOTICE, None, None),
    ],
)
def test_who_hears_of_what(
    fate: Fate, notify: str, flags: EntryFlag, reply: ReplyInfo | None, code: str | None
) -> None:
    post = Post()
    result = Result("bob@example.org", fate, notify, reply=reply, mta="mx.example.org")
    about = ABOUT._replace(flags=flags)
    due = notifier(post).make(about, [result], Reader())
    assert codes(due) == ([(code, "bob@example.org")] if code else [])
    assert len(due.made) == (code not in (None, "AN"))
    assert notifier(post).wants(about, [result]) is (code is not None)


@pytest.mark.parametrize(
    ("fate", "reply", "action", "status"),
    [
        (Fate.FAILED, UNKNOWN, "failed", "5.1.1"),
        (Fate.FAILED, ReplyInfo(550, "", "no"), "failed", "5.0.0"),
        (Fate.FAILED, ReplyInfo(0, "5.6.7", "No SMTPUTF8"), "failed", "5.6.7"),
        (Fate.FAILED, None, "failed", "5.0.0"),
        (Fate.FAILED, ReplyInfo(0, "", "ours"), "failed", "5.0.0"),
        (Fate.EXPIRED, FULL, "failed", "4.2.2"),
        (Fate.EXPIRED, None, "failed", "4.4.7"),
        (Fate.REMOVED, None, "failed", "5.0.0"),
        (Fate.DELAYED, FULL, "delayed", "4.2.2"),
        (Fate.DELAYED, None, "delayed", "4.4.7"),
        (Fate.RELAYED, ReplyInfo(250, "2.1.5", "ok"), "relayed", "2.1.5"),
        (Fate.DELIVERED, None, "delivered", "2.0.0"),
        (Fate.EXPANDED, None, "expanded", "2.0.0"),
    ],
)
def test_actions_and_statuses(fate: Fate, reply: ReplyInfo | None, action: str, status: str) -> None:
    due, _, _ = make(Result("bob@example.org", fate, "SUCCESS,FAILURE,DELAY", reply=reply))
    [recipient] = parsed(due).recipients
    assert (recipient.action, recipient.status) == (action, status)


def test_a_notice_for_each_kind() -> None:
    due, post, _ = make(
        failed(),
        Result("a@example.org", Fate.RELAYED, "SUCCESS"),
        Result("b@example.org", Fate.DELAYED, retry_until_ms=int(NOW * 1000) + 1),
        Result("c@example.org", Fate.DELIVERED),
    )
    assert len(post.sent) == len(due.made) == 3
    assert codes(due) == [("AP", "bob@example.org"), ("7D", "b@example.org"), ("7R", "a@example.org")]


@pytest.mark.parametrize(
    ("about", "copy_to", "recipients"),
    [
        (ABOUT, "watch@example.com", [("jo@example.com", "watch@example.com")]),
        (ABOUT, "JO@example.com", [("jo@example.com",)]),
        (ABOUT, "", [("jo@example.com",)]),
        (ABOUT._replace(sender=""), "watch@example.com", [("watch@example.com",)]),
        (ABOUT._replace(sender=""), "", []),
        (ABOUT._replace(sender="", flags=EntryFlag.NOTICE), "watch@example.com", []),
    ],
)
def test_copies_of_non_delivery(about: About, copy_to: str, recipients: list[tuple[str, ...]]) -> None:
    _, post, _ = make(failed(), about=about, nondelivery_copy=copy_to)
    assert [sent[1] for sent in post.sent] == recipients


def test_no_copies_of_other_notices() -> None:
    _, post, _ = make(Result("a@example.org", Fate.RELAYED, "SUCCESS"), nondelivery_copy="watch@example.com")
    assert [sent[1] for sent in post.sent] == [("jo@example.com",)]


def test_lists_hear_of_failures_only() -> None:
    about = ABOUT._replace(sender="news-bounces+bob=example.org@example.com")
    assert not make(Result("bob@example.org", Fate.DELAYED), about=about)[0].made
    assert len(make(failed(), about=about)[0].made) == 1


@pytest.mark.parametrize(
    ("changes", "settings", "whole"),
    [
        ({}, {}, False),
        ({}, {"return_content": "full"}, True),
        ({"ret": "FULL"}, {}, True),
        ({"ret": "HDRS"}, {"return_content": "full"}, False),
        ({"ret": "FULL", "size": 300_000}, {}, False),
        ({"ret": "FULL", "flags": EntryFlag.REQUIRE_TLS}, {}, False),
        ({"ret": "FULL", "flags": EntryFlag.FOREIGN}, {}, False),
        ({"ret": "FULL", "flags": EntryFlag.BINARY}, {}, False),
    ],
)
def test_what_goes_back(changes: dict[str, object], settings: dict[str, object], whole: bool) -> None:
    due, _, reader = make(failed(), about=ABOUT._replace(**changes), **settings)  # type: ignore[arg-type]
    assert reader.asked == [whole]
    assert (b"The whole body" in due.made[0].content) is whole
    assert b"Subject: Plans" in due.made[0].content


def test_only_failures_return_the_message() -> None:
    _, _, reader = make(Result("a@example.org", Fate.RELAYED, "SUCCESS"), about=ABOUT._replace(ret="FULL"))
    assert reader.asked == [False]


def test_the_responsible_person_and_the_language() -> None:
    due, post, _ = make(failed(), responsible_person="help@example.com", language="ja")
    assert b"<help@example.com>\r\n" in due.made[0].content
    assert b"Content-Language: ja\r\n" in due.made[0].content
    due, post, _ = make(failed(), about=ABOUT._replace(language="es"), language="ja")
    assert b"Content-Language: es\r\n" in due.made[0].content
    post = Post()
    notifier(post, language_of=lambda address: "es" if address == "jo@example.com" else "").make(
        ABOUT, [failed()], Reader()
    )
    assert post.sent[0][3] == "es"


@pytest.mark.parametrize("kind", [Kind.NOT_FOUND, Kind.QUOTA, Kind.INVALID])
def test_a_sender_that_cannot_be_reached_is_recorded(kind: Kind) -> None:
    post = Post(refuses={"jo@example.com": kind})
    due = notifier(post).make(ABOUT, [failed()], Reader())
    assert not due.made
    assert due.records == (Record(0x18F, "AN", "jo@example.com", text="Nobody takes it."),)


def test_a_notice_that_nobody_takes_is_not_claimed() -> None:
    due = notifier(Post(nobody=True)).make(ABOUT, [failed()], Reader())
    assert not due.made
    assert codes(due) == [("AN", "jo@example.com")]


def test_a_plan_that_cannot_be_made_now_stops_the_change() -> None:
    post = Post(refuses={"jo@example.com": Kind.TEMPORARY})
    with pytest.raises(EstafetaError):
        notifier(post).make(ABOUT, [failed()], Reader())


def test_from_the_queue() -> None:
    waiting = Waiting(Place(1, 2), "bob@example.org", 0, int(NOW * 1000), 0, "DELAY", "rfc822;bob@old.example", 3, 0)
    work = Work(0x18F, 7, "jo@example.com", 1, 1, EntryFlag.NONE, 10, 31, 0, "e+2B", "HDRS", "es", "Plans", (waiting,))
    result = result_of(waiting, Fate.DELAYED, reply=FULL, mta="mx.example.org")
    due, _, _ = make(result, about=about_work(work))
    report = parsed(due)
    assert report.envid == "e+2B"
    assert report.recipients[0].original == "bob@old.example"
    assert b"Will-Retry-Until: Fri, 15 Jan 2027 08:00:00 +0000" in due.made[0].content


def test_our_own_words_may_begin_with_a_status() -> None:
    text = "5.6.7 mx.example.org has no SMTPUTF8"
    due, _, _ = make(Result("bob@example.org", Fate.FAILED, mta="mx.example.org[192.0.2.1]:25", text=text))
    [recipient] = parsed(due).recipients
    assert recipient.status == "5.6.7"
    assert b"Remote-MTA: dns; mx.example.org\r\n" in due.made[0].content
    assert b"cannot handle addresses or headers" in due.made[0].content


def test_a_directory_that_fails_costs_only_the_language() -> None:
    def fail(address: str) -> str:
        raise EstafetaError(Kind.TEMPORARY, "Not now.")

    post = Post()
    assert notifier(post, language_of=fail).make(ABOUT, [failed()], Reader()).made
    assert post.sent[0][3] == "en"
