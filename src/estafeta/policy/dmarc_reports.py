"""Sending the DMARC reports of a day (RFC 7489 7.2) to those domains that ask for them by mail.

A report is noted as sent before it is posted, so that a crash may lose one but none goes twice, however many workers
are at it. What a report says of the policy, and where it goes, is what the domain publishes when it is sent.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from estafeta.core.errors import EstafetaError
from estafeta.directory.model import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.mail.dates import format_date
from estafeta.mailboxes.service import Submit
from estafeta.policy.dmarc_reading import read_report
from estafeta.policy.dmarc_received import Stored, store_report
from estafeta.policy.dmarc_report import AggregateReport, encode_message, make_report
from estafeta.policy.dmarc_results import Sent, note_sent, read_tallies, read_unsent
from estafeta.storage.database import Database
from estafeta.trust.dmarcreceivers import find_receivers
from estafeta.trust.dmarcrecord import DmarcRecord, RecordError, ReportUri, choose_record, parse_record
from estafeta.trust.lookups import Lookups, Status
from estafeta.trust.publicsuffix import organizational_domain
from estafeta.trust.tlsrpt import day_of

log = logging.getLogger("estafeta.policy")

MAX_REPORT_BYTES = 10 << 20
"""Of a message with a report; larger ones are refused nearly everywhere."""
MAX_REPORTS_OF_ONE = 100
"""Reports of one day to one organization: who makes policies for a hundred thousand subdomains wants something else."""
MAX_SECONDS = 6 * 3600
"""Of one run: with name servers that do not answer it would take days. The next day goes on with what is left."""
DAYS_BACK = 2
"""Yesterday, and the day before where DNS failed then."""
_PAGE = 200
# So many domains at a time: most of the time is spent waiting for name servers.
_AT_ONCE = 8

Post = Callable[[str, tuple[str, ...], bytes], Awaitable[None]]
"""Sends a message: reverse-path, recipients, content. It may raise EstafetaError."""


class _Wanted(NamedTuple):
    record: DmarcRecord
    receivers: tuple[ReportUri, ...]


class _Made(NamedTuple):
    report: AggregateReport
    content: bytes
    receivers: tuple[str, ...]


class DmarcReporter:
    """Makes and sends reports. `hostname` is ours; `contact` gives the address that reports come from."""

    def __init__(
        self,
        database: Database,
        submit: Submit,
        resolver: Lookups,
        post: Post,
        settings: SettingsSource,
        *,
        hostname: str,
        contact: Callable[[], str],
        clock: Clock,
    ) -> None:
        self._database = database
        self._submit = submit
        self._resolver = resolver
        self._post = post
        self._settings = settings
        self._hostname = hostname
        self._contact = contact
        self._clock = clock
        self._stopped = False

    def stop(self) -> None:
        """The worker ends: a run under way begins nothing more."""
        self._stopped = True

    async def send(self) -> int:
        """Send the reports on the last days (UTC) where the settings say so; how many went out.

        For a job that runs in one worker some time after midnight; run again, it goes on where it was."""
        now, sent = self._clock(), 0
        current = self._settings.current
        if current.dmarc.reports and current.routing.outward:
            contact = await asyncio.to_thread(self._contact)
            today = day_of(now)
            for day in range(today - DAYS_BACK, today):
                sent += await self._send_all(day, contact, now + MAX_SECONDS)
        return sent

    async def _send_all(self, day: int, contact: str, until: float) -> int:
        sent, last, of_one = 0, "", Counter[str]()
        while domains := await asyncio.to_thread(self._unsent, day, last):
            last = domains[-1]
            wanted = []
            for domain in domains:
                owner = organizational_domain(domain)
                of_one[owner] += 1
                if of_one[owner] <= MAX_REPORTS_OF_ONE:
                    wanted.append(domain)
            for at in range(0, len(wanted), _AT_ONCE):
                if self._stopped or self._clock() > until:
                    log.warning("not all DMARC reports were sent", extra={"day": day})
                    return sent
                some = wanted[at : at + _AT_ONCE]
                sent += sum(await asyncio.gather(*[self._try(domain, day, contact) for domain in some]))
        return sent

    async def _try(self, domain: str, day: int, contact: str) -> bool:
        try:
            return await self._send(domain, day, contact)
        except EstafetaError as error:
            cause = error.private or error.public
            log.warning("DMARC report not sent", extra={"domain": domain, "cause": cause})
        except Exception:  # one domain must not keep the others from their reports
            log.exception("DMARC report not sent", extra={"domain": domain})
        return False

    async def _send(self, domain: str, day: int, contact: str) -> bool:
        wanted = await self._wanted(domain)
        if wanted is None:
            return False
        now = self._clock()
        made = await asyncio.to_thread(self._make, domain, day, wanted, contact, now) if wanted.receivers else None
        going = made is not None and bool(made.receivers)
        noted = Sent(day, domain, made.report.report_id if made is not None and going else "", int(now))
        if not await self._submit(note_sent, noted, ()) or made is None or not going:
            return False
        await self._post(contact, made.receivers, made.content)
        log.info("DMARC report sent", extra={"domain": domain, "report": made.report.report_id})
        await self._keep(made, int(now))
        return True

    async def _keep(self, made: _Made, now: int) -> None:
        """What we report to ourselves (forgeries of our own domains, sent to us) never comes through a session, where
        reports are read."""
        address = self._settings.current.dmarc.reports_address.lower()
        if address and address in [one.lower() for one in made.receivers]:
            report = await asyncio.to_thread(read_report, made.report.document)
            await self._submit(store_report, Stored(report, organizational_domain(self._hostname), now), ())

    async def _wanted(self, domain: str) -> _Wanted | None:
        """The domain's record as it is now, and who may have the report; None where DNS could not say."""
        answer = await self._resolver.txt(f"_dmarc.{domain}")
        if answer.status == Status.FAILED:
            return None
        try:
            text = choose_record(answer.records if answer.status == Status.OK else ())
            record = parse_record(text or b"v=DMARC1")
        except RecordError:
            record = parse_record(b"v=DMARC1")
        receivers = await find_receivers(record.rua, domain, self._resolver)
        return None if receivers.unknown else _Wanted(record, receivers.allowed)

    def _make(self, domain: str, day: int, wanted: _Wanted, contact: str, now: float) -> _Made:
        """The report, the message with it, and those for whom it is not too large. Takes a while: not for an event
        loop."""
        with self._database.read() as conn:
            tallies = read_tallies(conn, day, domain)
        report = make_report(domain, day, wanted.record, tallies, submitter=self._hostname, contact=contact)
        date = format_date(now).decode("ascii")
        message_id = f"<dmarc.{report.report_id}>"
        addresses = tuple(uri.address for uri in wanted.receivers)
        content = encode_message(report, contact, addresses, date, message_id)
        # RFC 7489 6.4, 7.2.1: the limit is of what is sent, after packing and encoding.
        fitting = tuple(uri.address for uri in wanted.receivers if len(content) <= (uri.max_bytes or MAX_REPORT_BYTES))
        if fitting != addresses:
            log.info("DMARC report too large for some", extra={"domain": domain, "bytes": len(content)})
            content = encode_message(report, contact, fitting or addresses, date, message_id)
        return _Made(report, content, fitting)

    def _unsent(self, day: int, after: str) -> list[str]:
        with self._database.read() as conn:
            return read_unsent(conn, day, after, _PAGE)
