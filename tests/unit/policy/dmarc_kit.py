"""A store for counts and reports of DMARC, a resolver with a table, and messages as checks found them."""

import asyncio
import gzip
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.model import Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.dns.values import Answer, DnsStatus
from estafeta.mail.address import Address
from estafeta.policy import dmarc_tables
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.storage.commit import GroupCommit, Operation
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.dmarcrecord import Policy, parse_record
from estafeta.trust.spf import SpfResult
from estafeta.trust.spfrecord import SpfStatus

DAY = 19_675
NOW = DAY * 86_400 + 100.0
RECORD = b"v=DMARC1; p=reject; rua=mailto:agg@example.org"


class Base:
    """A database with the tables of DMARC, and a submit that commits at once."""

    def __init__(self, directory: Path) -> None:
        self.database = Database(f"sqlite:///{directory / 'dmarc.db'}")
        with self.database.write() as tx:
            for table in (
                dmarc_tables.dmarc_results,
                dmarc_tables.dmarc_kinds,
                dmarc_tables.dmarc_sent,
                dmarc_tables.dmarc_received,
                dmarc_tables.dmarc_received_rows,
            ):
                table.create(tx.conn, checkfirst=True)
        self.packs = Packs(directory / "packs")
        self.group = GroupCommit(self.database, self.packs)
        self.broken = False

    def submit(self, operation: Operation, payload: Any, contents: Sequence[Any] = ()) -> "asyncio.Future[Any]":
        future = asyncio.get_running_loop().create_future()
        if self.broken:
            future.set_exception(EstafetaError(Kind.TEMPORARY, "Broken."))
            return future
        try:
            future.set_result(self.group.run(operation, payload, contents))
        except EstafetaError as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        self.group.close()
        self.packs.close()
        self.database.close()


class Names:
    """TXT records by name; `failing` names give no answer."""

    def __init__(self, **unused: object) -> None:
        self.table: dict[str, tuple[bytes, ...]] = {}
        self.failing: set[str] = set()
        self.asked: list[str] = []

    def put(self, name: str, *records: bytes) -> None:
        self.table[name] = records

    async def txt(self, name: str) -> Answer[bytes]:
        self.asked.append(name)
        await asyncio.sleep(0)
        if name in self.failing:
            return Answer(DnsStatus.FAILED, reason="SERVFAIL")
        found = self.table.get(name)
        return Answer(DnsStatus.NO_NAME) if found is None else Answer(DnsStatus.OK, found)


class Posted(list[tuple[str, tuple[str, ...], bytes]]):
    """What was sent."""

    async def post(self, sender: str, recipients: Sequence[str], content: bytes) -> None:
        if any(one.endswith("broken.test") for one in recipients):
            raise EstafetaError(Kind.LIMIT, "Too many.")
        self.append((sender, tuple(recipients), content))


def settings(**sections: dict[str, Any]) -> Any:
    """A settings source with reports on; its `current` may be replaced."""
    return SimpleNamespace(current=Settings.model_validate({"dmarc": {"reports": True}} | sections))


def result(
    domain: str = "example.org",
    outcome: DmarcOutcome = DmarcOutcome.PASS,
    *,
    record: bytes = RECORD,
    organization: str = "",
    **more: Any,
) -> DmarcResult:
    """A result of DMARC."""
    apply = Policy.REJECT if outcome is DmarcOutcome.FAIL else Policy.NONE
    defaults: dict[str, Any] = {
        "policy": Policy.REJECT,
        "apply": apply,
        "dkim_aligned": outcome is DmarcOutcome.PASS,
        "policy_domain": domain,
        "record": parse_record(record),
    }
    return DmarcResult(outcome, "because", domain, organization or domain, **(defaults | more))


def facts_of(dmarc: DmarcResult | None, message: bytes = b"Subject: x\r\n\r\n", **more: Any) -> Facts:
    """A message from a stranger, with what was found of it."""
    signature = DkimResult(DkimWord.PASS, "", "example.org", "s1")
    found: dict[str, Any] = {"spf": SpfResult(SpfStatus.FAIL, "example.org"), "dkim": [signature]}
    if dmarc is not None:
        found["dmarc"] = dmarc
    recipients = [(Address("ana", "here.test"), Resolution(Status.LOCAL))]
    defaults: dict[str, Any] = {
        "now": NOW,
        "helo": "mx.example.org",
        "sender": Address("u", "example.org"),
        "recipients": recipients,
        "found": found,
    }
    return Facts("192.0.2.1", content=Content.of(message), **(defaults | more))


def document_of(message: bytes) -> bytes:
    """The document in a message of ours that carries a report."""
    import email

    parts = email.message_from_bytes(message).get_payload()
    return gzip.decompress(parts[1].get_payload(decode=True))
