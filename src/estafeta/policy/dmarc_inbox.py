"""Taking in the reports of others (RFC 7489 7.2): a check that reads what comes to `dmarc.reports_address`.

The mail itself goes its way, into the mailbox of that address. What the report says is kept when the message was
accepted; a server that dies just then keeps the mail alone (`estafeta dmarc read` takes it from a file). Reports are
read one at a time, in a thread; where many wait the newest are left out, and so are those whose sender failed DMARC.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_model import Settings
from estafeta.mailboxes.service import Submit
from estafeta.policy.authentication import dmarc_of
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.content import Content
from estafeta.policy.dmarc_reading import ReceivedReport, read_report
from estafeta.policy.dmarc_received import Stored, store_report
from estafeta.policy.dmarc_unpacking import MAX_MESSAGE_BYTES, ReportError, find_document
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner
from estafeta.policy.verdict import Action, Verdict, passed
from estafeta.trust.dmarc import DmarcOutcome
from estafeta.trust.publicsuffix import organizational_domain

log = logging.getLogger("estafeta.policy")

_NAME = "dmarc-report"
# Users send no reports, and their mail need not be looked at for one.
_OTHERS = Who.STRANGERS | Who.NETWORKS | Who.LMTP
_MAX_WAITING = 8
"""Messages held in memory while one is read."""

IsOurs = Callable[[str], bool]


def checks(is_ours: IsOurs) -> tuple[Check, ...]:
    """The check. `is_ours`: whether a domain is one of ours; it may ask the database."""
    reader = _Reader(is_ours)
    return (
        Check(_NAME, Stage.CONTENT, "reports of others on DMARC of our domains are read", _judge, reader.find,
              _OTHERS, on=lambda settings: bool(settings.dmarc.reports_address), light=True),
    )  # fmt: skip


def keeping(submit: Submit) -> Learner:
    """The learner that keeps what the check has read."""

    def judged(facts: Facts, judgement: Judgement) -> None:
        report = facts.found.get(_NAME)
        if not isinstance(report, ReceivedReport) or judgement.action >= Action.QUARANTINE or _is_forged(facts):
            return
        result = dmarc_of(facts)
        proved = result is not None and result.outcome is DmarcOutcome.PASS
        reporter = (result.organization or result.domain) if result is not None and proved else ""
        done = submit(store_report, Stored(report, reporter, int(facts.now)), ())
        done.add_done_callback(_told)

    return Learner(judged)


def _told(done: "asyncio.Future[bool]") -> None:
    error = None if done.cancelled() else done.exception()
    if isinstance(error, EstafetaError):
        level = logging.INFO if error.kind is Kind.LIMIT else logging.WARNING
        log.log(level, "a report on DMARC was not kept", extra={"cause": error.private or error.public})
    elif error is not None:
        log.error("a report on DMARC was not kept", exc_info=error)


class _Reader:
    """Of one worker."""

    def __init__(self, is_ours: IsOurs) -> None:
        self._is_ours = is_ours
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def find(self, facts: Facts, settings: Settings) -> ReceivedReport | str | None:
        """The report, or why there is none, in words; None for mail that is for others."""
        address = settings.dmarc.reports_address.lower()
        content = facts.content
        if content is None or not any(str(recipient).lower() == address for recipient, _ in facts.recipients):
            return None
        if content.size > MAX_MESSAGE_BYTES:
            return "no report: the message is too large for one"
        if self._waiting >= _MAX_WAITING:
            return "not read: too many reports at once"
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(self._read, content)
        except ReportError as error:
            return f"no report: {error}"
        finally:
            self._waiting -= 1

    def _read(self, content: Content) -> ReceivedReport | str:
        report = read_report(find_document(b"".join((content.header, b"\r\n", *content.pieces()))))
        # A policy may be published below a domain of ours, too.
        if self._is_ours(report.domain) or self._is_ours(organizational_domain(report.domain)):
            return report
        return f"left out: a report on {report.domain}, which is not ours"


def _judge(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """No points: it only says what was read."""
    found = facts.found.get(_NAME)
    if isinstance(found, str):
        return (passed(found),)
    if not isinstance(found, ReceivedReport):
        return ()
    if _is_forged(facts):
        return (passed(f"left out: a report that says it is of {found.name}, but DMARC failed"),)
    return (passed(f"a report of {found.name} on {found.domain}: {found.messages} messages"),)


def _is_forged(facts: Facts) -> bool:
    result = dmarc_of(facts)
    return result is not None and result.outcome is DmarcOutcome.FAIL
