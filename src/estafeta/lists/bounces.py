"""Mail that came back: who it was for, how often, and when that is enough.

One bounce a day counts, whatever came back. A member is named by VERP in the address, else by the report (RFC 3464):
the original recipient first, since the final one may be where a member's mail was forwarded to. Delays count nothing.
"""

from estafeta.core.errors import EstafetaError
from estafeta.directory.listnames import verp_member, with_role
from estafeta.directory.listvalues import Member
from estafeta.journal.records import Code
from estafeta.lists.incoming import read_incoming
from estafeta.lists.letters import Letter, send_letter
from estafeta.lists.values import Answer, Case, Fate, Means
from estafeta.mail.address import parse_address
from estafeta.mail.dsn_parse import ParsedReport, parse_report
from estafeta.mail.dsn_words import Action

_MOST = 100
"""Members that one report may name."""


def take_bounce(means: Means, case: Case, answer: Answer) -> None:
    """A message to the list's bounce address."""
    answer.end(case, Fate.DONE)
    report = parse_report(case.content)
    failed = _failed(report) if report is not None else []
    named = verp_member(case.argument)
    if named and (failed or (report is None and _is_bounce(case))):
        failed = [([named], failed[0][1] if failed else _first_words(case))]
    known = False
    for addresses, reason in failed[:_MOST]:
        member = _find(means, case, addresses)
        if member is not None:
            known = True
            count_bounce(means, case, answer, member, reason)
    if not known:
        answer.note(case, Code.LIST_BOUNCE, named, "No bounce of a member's mail")


def count_bounce(means: Means, case: Case, answer: Answer, member: Member, reason: str) -> None:
    """Count it, once a day; take the member out when it is enough, and say so to them and to the owners."""
    bounced = means.directory.note_bounce(case.found.list_id, member, now_seconds=int(means.clock()))
    if bounced is None:
        answer.note(case, Code.LIST_BOUNCE, member.address, f"{reason} (counted today already)")
        return
    words = {"who": member.address, "days": str(bounced.days), "reason": reason}
    text = f"{reason} (day {bounced.days}{', unsubscribed' if bounced.removed else ''})"
    answer.note(case, Code.LIST_BOUNCE, member.address, text)
    if bounced.removed:
        send_letter(means, answer, case, Letter.BOUNCED, [member.address], **words)
        owners = [with_role(case.found.address, "owner")]
        send_letter(means, answer, case, Letter.BOUNCED_OWNER, owners, **words)


def _failed(report: ParsedReport) -> list[tuple[list[str], str]]:
    """For each recipient that failed for good, the addresses it may be known by, and the reason."""
    return [
        ([address for address in (one.original, one.address) if address], f"{one.status} {one.diagnostic}".strip())
        for one in report.recipients
        if one.action is Action.FAILED
    ]


def _find(means: Means, case: Case, addresses: list[str]) -> Member | None:
    for text in addresses:
        try:
            member = means.directory.find_member(case.found.list_id, parse_address(text))
        except EstafetaError:
            continue
        if member is not None:
            return member
    return None


def _is_bounce(case: Case) -> bool:
    """No report, but the null reverse-path and no automatic answer: what old servers send."""
    return not case.work.sender and not read_incoming(case.content).is_answer


def _first_words(case: Case) -> str:
    return " ".join(read_incoming(case.content).first_lines())[:200] or "no reason was given"
