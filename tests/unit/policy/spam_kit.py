"""Sessions of strangers for tests of what judges them: facts, messages, and a chain that is asked from end to end."""

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from estafeta.core.ids import AccountId
from estafeta.directory.model import LocalTarget, Resolution, Status
from estafeta.directory.settings_model import Settings
from estafeta.dns.values import Answer, DnsStatus, Mx
from estafeta.mail.address import Address, parse_address
from estafeta.mailboxes.service import Submit
from estafeta.policy.chain import Chain
from estafeta.policy.checks import Check, Stage
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Verdict
from estafeta.servers.smtp.screening import Screening
from estafeta.storage.commit import Item, Operation
from estafeta.storage.database import Database
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.spf import SpfResult
from estafeta.trust.spfrecord import SpfStatus
from judge_kit import refusal_of_recipient

T = TypeVar("T")
#: Instead of a record.
FAILED = "failed"
NOW = 1_700_000_000.0
PEER = "192.0.2.99"


class FakeClock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def committing(database: Database) -> Submit:
    """A group commit that is done at once."""

    def submit(operation: Operation, payload: Any, contents: Sequence[Any]) -> "asyncio.Future[Any]":
        done: Future[Any] = Future()
        with database.write() as tx:
            done.set_result(operation(tx, [Item(payload, ())])[0])
        return cast("asyncio.Future[Any]", done)

    return submit


def settings(**spam: Any) -> Settings:
    return Settings.model_validate({"spam": spam})


def local(address: str, account: int) -> tuple[Address, Resolution]:
    target = LocalTarget(AccountId(account), 0)
    return parse_address(address), Resolution(Status.LOCAL, (target,), account_id=AccountId(account))


def message(*fields: str, body: str = "Hello\r\n", author: str = "Eve <eve@there.test>") -> Content:
    header = "".join(f"{field}\r\n" for field in (*([f"From: {author}"] if author else ()), *fields))
    return Content.of(f"{header}\r\n{body}".encode())


def facts(
    sender: str = "eve@there.test",
    *,
    spf: str = "",
    dkim: str = "",
    content: Content | None = None,
    recipients: Sequence[tuple[Address, Resolution]] = (),
    peer: str = PEER,
) -> Facts:
    """`spf` and `dkim`: the domains that passed."""
    found = Facts(peer, now=NOW, helo="mx.there.test", esmtp=True)
    found.sender = parse_address(sender) if sender else None
    found.content = content
    found.recipients = list(recipients)
    if spf:
        found.found["spf"] = SpfResult(SpfStatus.PASS, spf)
    if dkim:
        found.found["dkim"] = [DkimResult(DkimWord.PASS, domain=dkim)]
    return found


async def ask(chain: Chain, stage: Stage, known: Facts) -> list[Verdict]:
    said = chain.judge(stage, known)
    return said if isinstance(said, list) else await said


async def session(
    checks: Sequence[Check],
    wanted: Settings,
    known: Facts,
    content: Content,
    recipients: Sequence[tuple[Address, Resolution]],
) -> tuple[list[Verdict | None], Judgement | None]:
    """A whole session as `SmtpSession` has it: what is said to each recipient, and of the message if there is one."""
    screening = Screening(Chain(checks, wanted), known, "mx.here.test")
    sender = known.sender
    screening.ask(Stage.CONNECT)
    screening.ask(Stage.HELO)
    screening.begin_message()
    known.sender = sender
    screening.ask(Stage.MAIL)
    await screening.settle()
    said: list[Verdict | None] = []
    for recipient in recipients:
        known.recipient = recipient
        refusal = screening.refusal(recipient[0]) or await refusal_of_recipient(screening)
        if refusal is None:
            known.recipients.append(recipient)
        said.append(refusal)
    if not known.recipients:
        return said, None
    return said, await screening.inspect(content)


class Names:
    """A resolver over a table: for "A name" or "MX name" its records. What is not there does not exist; FAILED among
    the records: nobody can tell; no records: the name exists. `asked` has the questions."""

    def __init__(self, table: dict[str, list[Any]]) -> None:
        self._table = table
        self.asked: list[str] = []

    async def txt(self, name: str) -> Answer[bytes]:
        return self._find("TXT", name)

    async def ipv4(self, name: str) -> Answer[str]:
        return self._find("A", name)

    async def ipv6(self, name: str) -> Answer[str]:
        return self._find("AAAA", name)

    async def mx(self, name: str) -> Answer[Mx]:
        return self._find("MX", name)

    async def ptr(self, address: str) -> Answer[str]:
        return self._find("PTR", address)

    def _find(self, kind: str, name: str) -> Answer[Any]:
        self.asked.append(f"{kind} {name}")
        records = self._table.get(f"{kind} {name}")
        if records is None:
            known = any(key.endswith(f" {name}") for key in self._table)
            return Answer(DnsStatus.NO_DATA if known else DnsStatus.NO_NAME, name=name)
        if FAILED in records:
            return Answer(DnsStatus.FAILED, reason="no name server answers")
        return Answer(DnsStatus.OK if records else DnsStatus.NO_DATA, tuple(records), name=name)
