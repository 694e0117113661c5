"""Notices to senders: which are due for what became of recipients, and the messages that they are.

`Notifier.make` is synchronous (it reads a content and asks the directory); call it in a thread. What it gives is
committed together with the change that it tells of. It never raises for what a message says; EstafetaError TEMPORARY
or UNAVAILABLE of the plan go through, and the change is to wait.

A sender hears of a failure and of a delay unless NOTIFY says otherwise, of a success only when NOTIFY asks for it (RFC
3461 4.1). Nobody ever hears

- of a notice (`EntryFlag.NOTICE`) or of a message with a null reverse-path: never a bounce of a bounce (RFC 5321 6.1);
- of a recipient with NOTIFY=NEVER.

Backscatter: whoever forges a reverse-path makes others send notices to the one who is forged. Recipients that do not
exist are refused before a message is taken, so that a notice is due only for a recipient that was accepted. Of
messages that came from our own users and networks all notices go out. Of those from outside (`EntryFlag.FOREIGN`:
forwarded, for lists, for domains that we are a backup MX of) no sender hears when the next server refuses the content
as spam, as malicious, by its rules, or for its sender, since then the reverse-path is most likely forged, nor of
delays, unless NOTIFY=DELAY asks for it; and never more than the header goes back.

A list's bounce address is read by a program: it hears of failures, and of nothing else.
"""

import re
from collections.abc import Callable, Sequence

from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.notice_values import About, Due, Fate, Made, Plan, Result
from estafeta.directory.settings_outward import Notices, ReturnContent
from estafeta.journal.records import Code, Record, detail
from estafeta.mail.dsn import Action, NoticeKind, Original, Reason, RecipientStatus, Report, compose_report
from estafeta.mail.dsn_reasons import find_reason
from estafeta.queue.values import EntryFlag

Read = Callable[[bool], bytes]
"""The content as it goes out (without Return-Path): all of it for True, its beginning with the whole header (64 KiB are
enough) for False."""

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)")
_PORT_OR_ADDRESS = re.compile(r"(?<=.)\[[^\]]*\](:\d+)?$")
"""What people need not know of `mx.example.org[192.0.2.1]:25`."""
_KINDS = {
    Fate.DELIVERED: NoticeKind.SUCCESS,
    Fate.RELAYED: NoticeKind.SUCCESS,
    Fate.EXPANDED: NoticeKind.SUCCESS,
    Fate.DELAYED: NoticeKind.DELAY,
    Fate.FAILED: NoticeKind.FAILURE,
    Fate.EXPIRED: NoticeKind.FAILURE,
    Fate.REMOVED: NoticeKind.FAILURE,
}
_ACTIONS = {
    Fate.DELIVERED: Action.DELIVERED,
    Fate.RELAYED: Action.RELAYED,
    Fate.EXPANDED: Action.EXPANDED,
    Fate.DELAYED: Action.DELAYED,
}
_STATUSES = {
    NoticeKind.SUCCESS: "2.0.0",
    NoticeKind.DELAY: "4.4.7",
    NoticeKind.FAILURE: "5.0.0",
}
_CODES = {
    NoticeKind.SUCCESS: Code.CONFIRMATION,
    NoticeKind.DELAY: Code.DELAY_NOTICE,
    NoticeKind.FAILURE: Code.NONDELIVERY,
}
_REFUSED_AS_BAD = frozenset(
    {Reason.SPAM, Reason.VIRUS, Reason.POLICY, Reason.SENDER, Reason.SENDER_NOT_PROVEN, Reason.CONTENT}
)
"""Why a server refuses messages whose reverse-path is forged."""


class Notifier:
    """Makes notices. `language_of` tells the language of an address of ours ("": not known), `is_list_bounce` whether
    an address is the bounce address of a list here, `new_ident` gives the ident of a new message. `clock` in epoch
    seconds."""

    def __init__(
        self,
        *,
        hostname: str,
        settings: Callable[[], Notices],
        plan: Plan,
        new_ident: Callable[[], int],
        clock: Callable[[], float],
        language_of: Callable[[str], str] = lambda address: "",
        is_list_bounce: Callable[[str], bool] = lambda address: False,
    ) -> None:
        self._hostname = hostname
        self._settings = settings
        self._plan = plan
        self._new_ident = new_ident
        self._clock = clock
        self._language_of = language_of
        self._is_list_bounce = is_list_bounce

    def wants(self, about: About, results: Sequence[Result]) -> bool:
        """Whether `make` would do anything. Cheap; false for almost all that goes well."""
        for result in results:
            kind = _KINDS[result.fate]
            if kind is NoticeKind.FAILURE or _reason_for_silence(about, result, kind) is None:
                return True
        return False

    def make(self, about: About, results: Sequence[Result], read: Read) -> Due:
        """The notices that are due: one for each kind, with all its recipients."""
        made: list[Made] = []
        records: list[Record] = []
        for kind in NoticeKind:
            of_kind = [result for result in results if _KINDS[result.fate] is kind]
            if of_kind:
                self._make_kind(about, kind, of_kind, read, made, records)
        return Due(tuple(made), tuple(records))

    def _make_kind(
        self,
        about: About,
        kind: NoticeKind,
        results: Sequence[Result],
        read: Read,
        made: list[Made],
        records: list[Record],
    ) -> None:
        told: list[Result] = []
        for result in results:
            reason = self._reason_for_silence(about, result, kind)
            if reason is None:
                told.append(result)
            elif kind is NoticeKind.FAILURE:
                records.append(Record(about.ident, Code.NO_NOTICE, result.address, text=reason))
        recipients = self._recipients(about, kind, bool(told))
        if not recipients:
            return
        told = told or list(results)
        try:
            notice, ident = self._notice(about, kind, told, recipients, read)
        except EstafetaError as error:
            if error.kind in (Kind.TEMPORARY, Kind.UNAVAILABLE):
                raise
            records.append(Record(about.ident, Code.NO_NOTICE, recipients[0], text=error.public))
            return
        if notice.acceptance.arrival is None and notice.acceptance.entry is None:
            records.append(
                Record(about.ident, Code.NO_NOTICE, recipients[0], text="Nobody takes mail for this address.")
            )
            return
        made.append(notice)
        records += [
            Record(about.ident, _CODES[kind], result.address, text=_words(result), detail=detail(notice=f"{ident:x}"))
            for result in told
        ]

    def _recipients(self, about: About, kind: NoticeKind, is_told: bool) -> tuple[str, ...]:
        """The sender, if it is to be told, and whoever watches non-delivery (row D7): also that of messages with a null
        reverse-path from elsewhere, of which no sender can hear, but never that of a notice."""
        copy_to = self._settings().nondelivery_copy if kind is NoticeKind.FAILURE else ""
        if is_told:
            return (about.sender, copy_to) if copy_to and copy_to.lower() != about.sender.lower() else (about.sender,)
        return (copy_to,) if copy_to and not about.sender and not about.flags & EntryFlag.NOTICE else ()

    def _reason_for_silence(self, about: About, result: Result, kind: NoticeKind) -> str | None:
        reason = _reason_for_silence(about, result, kind)
        if reason is None and kind is not NoticeKind.FAILURE and self._is_list_bounce(about.sender):
            return "The reverse-path is the bounce address of a list."
        return reason

    def _notice(
        self, about: About, kind: NoticeKind, results: Sequence[Result], recipients: tuple[str, ...], read: Read
    ) -> tuple[Made, int]:
        settings, now = self._settings(), self._clock()
        ident = self._new_ident()
        language = about.language or self._find_language(recipients[0]) or settings.language
        whole = kind is NoticeKind.FAILURE and self._returns_whole(about, settings)
        original = Original(
            ident=f"{about.ident:x}",
            arrived=about.created_ms / 1000,
            content=read(whole),
            whole=whole,
            envid=about.envid,
            subject=about.subject,
        )
        report = Report(
            kind=kind,
            hostname=self._hostname,
            to=recipients[0],
            sent_by=settings.responsible_person or f"MAILER-DAEMON@{self._hostname}",
            contact=settings.responsible_person or f"postmaster@{self._hostname}",
            language=language,
            message_id=f"{ident:x}.notice@{self._hostname}",
            now=now,
            recipients=tuple([_status_of(about, result, kind, now) for result in results]),
        )
        content = compose_report(report, original)
        flags = EntryFlag.NOTICE if content.isascii() else EntryFlag.NOTICE | EntryFlag.EIGHT_BIT
        flags |= about.flags & EntryFlag.REQUIRE_TLS  # RFC 8689 5: it tells as much as the message did
        if not report.to.isascii():  # RFC 6531 3.2: the To field is in UTF-8
            flags |= EntryFlag.UTF8
        made_here = Record(
            ident,
            Code.MADE_HERE,
            recipients[0],
            size=len(content),
            text=f"Notice of {kind} for message {about.ident:x}.",
            detail=detail(parent=f"{about.ident:x}", to=list(recipients)),
        )
        made = self._plan(content, "", recipients, ident=ident, flags=flags, language=language, records=(made_here,))
        return made, ident

    def _find_language(self, address: str) -> str:
        try:
            return self._language_of(address)
        except EstafetaError:  # whatever it is, a notice in another language is better than none
            return ""

    def _returns_whole(self, about: About, settings: Notices) -> bool:
        # RFC 8689 5: of a message with REQUIRETLS only the header goes back, whatever RET says.
        if about.flags & (EntryFlag.FOREIGN | EntryFlag.REQUIRE_TLS | EntryFlag.BINARY):
            return False
        if about.size > settings.max_return_bytes:
            return False
        if about.ret:  # RFC 3461 4.3
            return about.ret.upper() == "FULL"
        return settings.return_content is ReturnContent.FULL


def _reason_for_silence(about: About, result: Result, kind: NoticeKind) -> str | None:
    """Why the sender does not hear of it, in a sentence; None when it does."""
    notify = result.notify.upper().split(",") if result.notify else []
    if about.flags & EntryFlag.NOTICE:
        return "The message is a notice itself."
    if not about.sender:
        return "The reverse-path is null."
    if "NEVER" in notify:
        return "The sender wants no notices (NOTIFY=NEVER)."
    if kind is NoticeKind.SUCCESS:
        return None if "SUCCESS" in notify else "The sender did not ask for it."
    if kind is NoticeKind.DELAY:
        # RFC 3461 4.1: without NOTIFY a delay may be told.
        if "DELAY" in notify or (not notify and not about.flags & EntryFlag.FOREIGN):
            return None
        return "The sender did not ask for it."
    if notify and "FAILURE" not in notify:
        return f"The sender wants no notice of failures (NOTIFY={result.notify})."
    if about.flags & EntryFlag.FOREIGN and _reason_of(result) in _REFUSED_AS_BAD:
        return "It came from outside and was refused for what it is: its sender may be forged, and gets no notice."
    return None


def _reason_of(result: Result) -> Reason:
    reply = result.reply
    if result.fate is Fate.REMOVED:
        return Reason.REMOVED
    if reply is None:
        return find_reason(_said_status(result), 0, result.text)
    return find_reason(reply.status or result.status, reply.code, reply.text, reply.command)


def _said_status(result: Result) -> str:
    """The status of the last reply, or else that of our own words, which may begin with it."""
    if result.reply is not None and result.reply.status:
        return result.reply.status
    found = _STATUS.match(result.text) if result.reply is None else None
    return found.group() if found is not None else result.status


def _status_of(about: About, result: Result, kind: NoticeKind, now: float) -> RecipientStatus:
    reply = result.reply
    gone = kind is NoticeKind.SUCCESS
    return RecipientStatus(
        address=result.address,
        action=_ACTIONS.get(result.fate, Action.FAILED),
        status=_status(result, kind),
        orcpt=result.orcpt,
        mta=_PORT_OR_ADDRESS.sub("", result.mta) or result.mta,
        code=0 if reply is None or gone else reply.code,
        reply="" if gone else result.text if reply is None else reply.text,
        command="" if reply is None else reply.command,
        last_attempt=0 if result.fate is Fate.REMOVED else now,
        retry_until=result.retry_until_ms / 1000 if result.fate is Fate.DELAYED else 0,
        waited_seconds=max(60.0, now - about.created_ms / 1000) if result.fate is Fate.EXPIRED else 0,
        reason=_reason_of(result) if kind is not NoticeKind.SUCCESS else None,
    )


def _status(result: Result, kind: NoticeKind) -> str:
    """Status of RFC 3464 2.3.4, in the class that fits what became of the recipient."""
    said = _said_status(result)
    if kind is NoticeKind.SUCCESS:
        return said if said[:1] == "2" else _STATUSES[kind]
    if said:
        return said
    if result.fate is Fate.EXPIRED:
        return "4.4.7"  # RFC 3463 3.5: delivery time expired
    if result.reply is not None and result.reply.code:
        return f"{result.reply.code // 100}.0.0"
    return _STATUSES[kind]


def _words(result: Result) -> str:
    return result.reply.words if result.reply is not None else result.text
