"""Sending the TLS reports of a day (RFC 8460 5.3) to those domains that ask for them by mail.

A report is noted as sent before it is posted, so that a crash may lose one but none goes twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from estafeta.core.errors import EstafetaError
from estafeta.delivery.tlsresults import (
    KEEP_DAYS,
    Sent,
    forget_before,
    note_sent,
    read_tallies,
    read_unsent,
)
from estafeta.directory.settings_source import SettingsSource
from estafeta.dns.values import DnsStatus, Resolver
from estafeta.mail.dates import format_date
from estafeta.mailboxes.service import Submit
from estafeta.storage.database import Database
from estafeta.trust.tlsrpt import Report, Tally, day_of, encode_message, make_report, parse_receivers

log = logging.getLogger("estafeta.delivery")

_AT_ONCE = 200

Post = Callable[[str, tuple[str, ...], bytes], Awaitable[None]]
"""Sends a message: reverse-path, recipients, content. It may raise EstafetaError."""


class TlsReporter:
    """Makes and sends reports. `hostname` is ours; `contact` is the address that reports come from."""

    def __init__(
        self,
        database: Database,
        submit: Submit,
        resolver: Resolver,
        post: Post,
        settings: SettingsSource,
        *,
        hostname: str,
        contact: str,
    ) -> None:
        self._database = database
        self._submit = submit
        self._resolver = resolver
        self._post = post
        self._settings = settings
        self._hostname = hostname
        self._contact = contact

    async def send(self, now: float) -> int:
        """Send the reports on yesterday (UTC) where the settings say so, and remove old results; how many went out.

        For a job that runs in one worker some time after midnight; run again, it goes on where it was."""
        today = day_of(now)
        sent = await self._send_all(today - 1, now) if self._settings.current.delivery.send_tls_reports else 0
        await self._submit(forget_before, today - KEEP_DAYS, ())
        return sent

    async def _send_all(self, day: int, now: float) -> int:
        sent, domain = 0, ""
        while domains := await asyncio.to_thread(self._unsent, day, domain):
            for domain in domains:
                try:
                    sent += await self._send(domain, day, now)
                except EstafetaError as error:
                    cause = error.private or error.public
                    log.warning("TLS report not sent", extra={"domain": domain, "cause": cause})
                except Exception:  # one domain must not keep the others from their reports
                    log.exception("TLS report not sent", extra={"domain": domain})
        return sent

    async def _send(self, domain: str, day: int, now: float) -> bool:
        answer = await self._resolver.txt(f"_smtp._tls.{domain}")
        if answer.status is DnsStatus.FAILED:
            return False
        receivers = parse_receivers(answer.records) if answer.status is DnsStatus.OK else ()
        report = make_report(
            domain,
            day,
            await asyncio.to_thread(self._tallies, day, domain) if receivers else (),
            submitter=self._hostname,
            contact=self._contact,
            unique=domain,
        )
        noted = Sent(day, domain, report.report_id if receivers else "", int(now))
        if not await self._submit(note_sent, noted, ()) or not receivers:
            return False
        await self._post(self._contact, receivers, self._message(report, receivers, now))
        log.info("TLS report sent", extra={"domain": domain, "report": report.report_id})
        return True

    def _message(self, report: Report, receivers: tuple[str, ...], now: float) -> bytes:
        message_id = f"<tlsrpt.{day_of(report.start.timestamp())}.{report.domain}@{self._hostname}>"
        return encode_message(report, self._contact, receivers, format_date(now).decode("ascii"), message_id)

    def _unsent(self, day: int, after: str) -> list[str]:
        with self._database.read() as conn:
            return read_unsent(conn, day, after, _AT_ONCE)

    def _tallies(self, day: int, domain: str) -> list[Tally]:
        with self._database.read() as conn:
            return read_tallies(conn, day, domain)
