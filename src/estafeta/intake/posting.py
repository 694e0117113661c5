"""Messages of our own on their way in: notices, letters of lists, what waited and is looked up anew.

They are committed together with what they come from (estafeta.delivery.agents, .notices), so everything here only makes
`Acceptance`s. All of it asks the directory and belongs in threads.
"""

from collections.abc import Callable, Sequence

from estafeta.delivery.notice_values import About, Fate, Made, Result
from estafeta.delivery.notices import Notifier
from estafeta.delivery.outfit import Agency
from estafeta.intake.conditions import Conditions, Message, Origin, Recipient
from estafeta.intake.planning import Planner, sender_of
from estafeta.journal.records import Code, Record, detail
from estafeta.lists.agent import ListAgent
from estafeta.lists.values import Fate as ListFate
from estafeta.lists.values import Made as ListMade
from estafeta.lists.values import Moderated
from estafeta.mail.address import Address, parse_address
from estafeta.mail.trace import return_path
from estafeta.policy.judgement import Judgement
from estafeta.policy.verdict import Verdict, deferred
from estafeta.queue.values import Acceptance, EntryFlag, Place, Waiting, Work

_SELF = "estafeta"


class Posting:
    """Makes acceptances of messages that this server writes itself, or takes out of the queue again."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def notice(
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
        """A notice (estafeta.delivery.notices.Plan)."""
        made = self._make(content, sender, recipients, flags, ident=ident, language=language)
        kept = self._planner.policies.recording.keep(records)
        return Made(made.acceptance._replace(records=(*made.acceptance.records, *kept)), made.content)

    def letter(
        self,
        content: bytes,
        sender: str,
        recipients: Sequence[str],
        *,
        flags: EntryFlag,
        owner: int,
        parent: int,
        language: str,
        ident: int = 0,
    ) -> ListMade:
        """A message of a list (estafeta.lists.values.Plan)."""
        return self._make(
            content, sender, recipients, flags, ident=ident, language=language, owner=owner, parent=parent
        )

    def _make(
        self,
        content: bytes,
        sender: str,
        recipients: Sequence[str],
        flags: EntryFlag,
        *,
        ident: int,
        language: str,
        owner: int = 0,
        parent: int = 0,
    ) -> ListMade:
        path = sender_of(sender)
        front = return_path(path)
        conditions = Conditions(
            owner=owner,
            utf8=bool(flags & EntryFlag.UTF8),
            binary=bool(flags & EntryFlag.BINARY),
            require_tls=bool(flags & EntryFlag.REQUIRE_TLS),
            notice=bool(flags & EntryFlag.NOTICE),
            language=language,
            trusted=True,
            parent=parent,
            verp=bool(flags & EntryFlag.VERP),
            results=bool(flags & EntryFlag.RESULTS),
            stranger=bool(flags & EntryFlag.STRANGER),
        )
        whole = front + content
        acceptance, refused = self._planner.plan(
            whole,
            path,
            [parse_address(one) for one in recipients],
            Origin(_SELF, "", ""),
            conditions,
            skip=len(front),
            ident=ident,
            urgent=conditions.notice,
        )
        return ListMade(acceptance, whole, tuple((str(address), verdict.text) for address, verdict in refused))

    def relocate(self, work: Work, content: bytes, hop: str, judgement: Judgement | None = None) -> Agency:
        """An agent: recipients that waited (FUTURERELEASE, a route that has changed) are looked up anew. `judgement`:
        what policy says of a message that is another one now."""
        sender = sender_of(work.sender)
        placed: list[Recipient] = []
        done: list[Place] = []
        failed: list[tuple[Place, str, str]] = []
        put_off: list[tuple[Place, str]] = []
        for waiting in work.recipients:
            found = self._find(waiting, sender)
            if isinstance(found, Recipient):
                placed.append(found._replace(notify=waiting.notify, orcpt=waiting.orcpt))
                done.append(waiting.place)
            elif found.code // 100 == 4:
                put_off.append((waiting.place, found.text))
            else:
                failed.append((waiting.place, found.enhanced, found.text))
        made: tuple[tuple[Acceptance, bytes], ...] = ()
        records: tuple[Record, ...] = ()
        if placed:
            acceptance, _ = self._planner.plan(
                content,
                sender,
                placed,
                Origin(_SELF, "", ""),
                _as_before(work),
                skip=work.skip,
                judgement=judgement,
            )
            made = ((acceptance, content),)
            child = detail(child=f"{_ident_of(acceptance):x}")
            records = tuple(
                Record(work.entry_id, Code.RESOLVED, one.address, text="anew", detail=child)
                for one in work.recipients
                if one.place in done
            )
        return Agency(made, done, failed, put_off, records)

    def _find(self, waiting: Waiting, sender: Address | None) -> Recipient | Verdict:
        # RFC 5321 4.1.1.3: the bare postmaster is the only address without a domain.
        text = waiting.address
        found = self._planner.find(parse_address(text) if "@" in text else Address(text, ""), sender)
        if isinstance(found, Recipient) and any(one.hop.startswith("local:") for one in found.onward):
            return deferred("This address takes no mail at the moment", "disabled", 450, "4.2.1")
        return found


class ListPost:
    """The agent of lists: what `ListAgent` decides, as the stream commits it."""

    def __init__(self, agent: ListAgent, moderate: Callable[[Sequence[Moderated]], None]) -> None:
        self._agent = agent
        self._moderate = moderate

    def __call__(self, work: Work, content: bytes, hop: str) -> Agency:
        """Handle one message to a list."""
        result = self._agent.handle(work, content, hop)
        return Agency(
            made=[(made.acceptance, made.content) for made in result.made],
            done=[one.place for one in result.outcomes if one.fate in (ListFate.DONE, ListFate.EXPANDED)],
            failed=[(one.place, one.status, one.text) for one in result.outcomes if one.fate is ListFate.FAILED],
            put_off=[(one.place, one.text) for one in result.outcomes if one.fate is ListFate.LATER],
            records=result.records,
            after=(lambda: self._moderate(result.moderated)) if result.moderated else None,
        )


def confirmations(
    notifier: Notifier, message: Message, recipients: Sequence[Recipient], conditions: Conditions, head: bytes
) -> list[tuple[Acceptance, bytes]]:
    """RFC 3461 5.2.3: what is delivered here with NOTIFY=SUCCESS is confirmed in the commit that delivers it."""
    results = [
        Result(
            str(recipient.address),
            Fate.EXPANDED if len(recipient.targets) + len(recipient.onward) > 1 else Fate.DELIVERED,
            recipient.notify,
            recipient.orcpt,
        )
        for recipient in recipients
        if recipient.targets and "SUCCESS" in recipient.notify
    ]
    about = About(
        message.ident,
        "" if message.sender is None else str(message.sender),
        message.now_ms,
        message.size,
        flags=(EntryFlag.NONE if conditions.trusted else EntryFlag.FOREIGN)
        | (EntryFlag.REQUIRE_TLS if conditions.require_tls else EntryFlag.NONE),
        envid=conditions.envid,
        ret=conditions.ret,
        language=conditions.language,
        subject=message.summary.subject,
    )
    if conditions.release_ms > message.now_ms or not notifier.wants(about, results):
        return []
    due = notifier.make(about, results, lambda whole: head)
    return [(made.acceptance, made.content) for made in due.made]


def _ident_of(acceptance: Acceptance) -> int:
    if acceptance.entry is not None:
        return acceptance.entry.entry_id
    return acceptance.arrival.ident if acceptance.arrival is not None else 0


def _as_before(work: Work) -> Conditions:
    flags = work.flags
    return Conditions(
        owner=work.owner,
        utf8=bool(flags & EntryFlag.UTF8),
        binary=bool(flags & EntryFlag.BINARY),
        require_tls=bool(flags & EntryFlag.REQUIRE_TLS),
        notice=bool(flags & EntryFlag.NOTICE),
        envid=work.envid,
        ret=work.ret,
        language=work.language,
        trusted=not flags & EntryFlag.FOREIGN,
        parent=work.entry_id,
        verp=bool(flags & EntryFlag.VERP),
        results=bool(flags & EntryFlag.RESULTS),
        stranger=bool(flags & EntryFlag.STRANGER),
    )
