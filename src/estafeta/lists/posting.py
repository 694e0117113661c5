"""Messages to a list: sent to the members, held for a moderator, or refused.

A large list is done in portions, so that no commit is long: each is settled together with a new entry of the queue for
the rest, and so happens exactly once. What goes out is the same in all portions.
"""

from collections.abc import Sequence

from estafeta.core.errors import EstafetaError
from estafeta.core.ids import SHARED, AccountId
from estafeta.directory.listaccess import is_trusted
from estafeta.directory.listnames import verp_address, with_role
from estafeta.directory.listvalues import MailingList, Others, Personal
from estafeta.directory.model import LocalTarget
from estafeta.journal.records import Code, Record, detail
from estafeta.lists import headers
from estafeta.lists.bounces import count_bounce
from estafeta.lists.commands import misdirected
from estafeta.lists.held import hop_of, list_held
from estafeta.lists.incoming import Incoming, read_incoming
from estafeta.lists.letters import Letter, send_letter
from estafeta.lists.tokens import Act, last_day, make_token
from estafeta.lists.values import Answer, Case, Fate, Made, Means, owner_of_list, people_who_decide
from estafeta.mail.address import Address, parse_address
from estafeta.mail.scan import MessageScanner, MessageSummary
from estafeta.mail.trace import return_path
from estafeta.mailboxes import look
from estafeta.mailboxes.values import Arrival, Delivery
from estafeta.queue.values import Acceptance, EntryFlag, Lane, NewEntry, NewRecipient

_PORTION = 1000
"""Members in one commit: their rows take some 20 ms."""
_PERSONAL_BYTES = 16 << 20
"""Octets of personal copies in one commit."""
_MOST_LETTERS = 50
"""While so many posts wait, moderators get no letters about more: a flood of junk would be one for them, too."""
_DAY_MS = 86_400_000
_REST_DAYS = 5
_KEPT = EntryFlag.REQUIRE_TLS | EntryFlag.UTF8 | EntryFlag.BINARY | EntryFlag.EIGHT_BIT
_KEPT |= EntryFlag.RESULTS | EntryFlag.STRANGER


def take_post(means: Means, case: Case, answer: Answer) -> None:
    """A message that somebody wrote to the list."""
    incoming = read_incoming(case.content)
    if _is_out_of_place(means, case, incoming, answer):
        return
    command = misdirected(case, incoming)
    if command is not None:
        command(means, case, answer)
        return
    authors = _authors(means, case, incoming)
    options = case.found.options
    if means.directory.may_post(case.found, authors):
        if options.moderate and not is_trusted(case.found, authors):
            _hold(means, case, incoming, answer, "Everything that members write is looked at first")
        else:
            expand(means, case, answer)
    elif options.others is Others.MODERATE:
        _hold(means, case, incoming, answer, "The author may not write to this list without approval")
    else:
        answer.refuse(case, "5.7.1", f"{case.found.address} takes no messages from this author")


def expand(means: Means, case: Case, answer: Answer, after: int = 0) -> None:
    """Send it to the members after number `after`."""
    found = case.found
    limit = _PORTION
    personal = _is_personal(case)
    if personal:
        limit = max(1, min(limit, _PERSONAL_BYTES // (len(case.content) + 1)))
    members = means.directory.page_members(found.list_id, after, limit + 1)
    more, members = len(members) > limit, members[:limit]
    base = means.link_base
    front, body = headers.outgoing(found, read_incoming(case.content), base)
    if personal:
        made = [_personal_copy(means, case, front, body, headers.Personal(*one)) for one in members]
    else:
        content = front + headers.unsubscribe_fields(found, base) + body
        made = _copies(means, case, content, [one for _, one in members])
    if not after:
        made += _archived(means, case, answer, front + headers.unsubscribe_fields(found, base) + body)
    if more:
        made.append(requeued(means, case, "next", str(members[-1][0]), Lane.NORMAL, _REST_DAYS))
    answer.made.extend(made)
    _note_refused(means, case, answer, made)
    words = f"{len(members)} members" if members else "the list has no members"
    answer.note(case, Code.LIST_EXPANDED, found.address, words, after=after)
    answer.end(case, Fate.EXPANDED)


def requeued(means: Means, case: Case, word: str, argument: str, lane: Lane, days: int, reason: str = "") -> Made:
    """The message as it came, as a new entry at the same list that says what is to be done with it."""
    now_ms = int(means.clock() * 1000)
    work, found, ident = case.work, case.found, means.new_ident()
    recipient = NewRecipient(
        hop_of(found), with_role(found.key, word, argument), now_ms, now_ms + days * _DAY_MS, orcpt=case.waiting.orcpt
    )
    entry = NewEntry(
        ident,
        work.sender,
        owner_of_list(found),
        (recipient,),
        len(case.stored),
        now_ms,
        lane,
        work.flags,
        work.skip,
        work.envid,
        work.ret,
        work.language,
        work.subject,
    )
    known = detail(list=found.address, parent=f"{work.entry_id:x}", reason=reason)
    record = Record(ident, Code.MADE_HERE, work.sender, size=len(case.stored), text=word, detail=known)
    return Made(Acceptance(summary_of(case.stored), None, entry, (record,)), case.stored)


def summary_of(content: bytes) -> MessageSummary:
    """What intake keeps of a content."""
    scanner = MessageScanner()
    scanner.feed(content)
    return scanner.close()


def _is_out_of_place(means: Means, case: Case, incoming: Incoming, answer: Answer) -> bool:
    """What is no post at all, whoever wrote it; the answer says what became of it."""
    found = case.found
    if found.key.casefold() in incoming.loops:
        answer.drop(case, "It has been on this list before: a loop")
    elif len(incoming.loops) > means.settings.current.limits.max_expansion_depth:
        answer.refuse(case, "5.4.6", "The message has passed too many lists")
    elif not case.work.sender or incoming.is_answer:
        answer.drop(case, "A program answered of itself; lists take no such messages")
    elif found.options.max_bytes and len(case.content) > found.options.max_bytes:
        answer.refuse(case, "5.3.4", f"Messages to {found.address} have at most {found.options.max_bytes} octets")
    else:
        return False
    return True


def _authors(means: Means, case: Case, incoming: Incoming) -> list[Address]:
    """Who wrote it, as far as it can be believed: from outside nobody writes as one of our users."""
    authors = [parse_address(case.work.sender), *incoming.author_addresses]
    if not case.work.flags & EntryFlag.FOREIGN:
        return authors
    return [author for author in authors if not means.directory.is_local_domain(author.domain)]


def _hold(means: Means, case: Case, incoming: Incoming, answer: Answer, reason: str) -> None:
    found, now = case.found, means.clock()
    days = means.settings.current.lists.confirm_days
    held = requeued(means, case, "approved", "", Lane.HELD, days, reason)
    entry = held.acceptance.entry
    assert entry is not None
    answer.made.append(held)
    words = {
        "who": ", ".join(map(str, incoming.author_addresses)) or case.work.sender,
        "subject": incoming.subject,
        "size": str(max(1, len(case.content) >> 10)),
        "reason": reason,
        "text": held.acceptance.summary.preview,
        "days": str(days),
    }
    yes, no = (
        with_role(found.address, "confirm", make_token(found, act, number=entry.entry_id, day=last_day(now, days)))
        for act in (Act.APPROVE, Act.REJECT)
    )
    with means.database.read() as conn:
        flooded = len(list_held(conn, found, limit=_MOST_LETTERS)) >= _MOST_LETTERS
    if not flooded:
        send_letter(means, answer, case, Letter.MODERATE, people_who_decide(found), reply_to=yes, reject=no, **words)
    if not case.work.flags & EntryFlag.FOREIGN:  # a stranger's address may be forged
        send_letter(means, answer, case, Letter.HELD, [case.work.sender], **words)
    answer.note(case, Code.LIST_HELD, case.work.sender, reason, notice=f"{entry.entry_id:x}")
    answer.end(case, Fate.DONE)


def _is_personal(case: Case) -> bool:
    options = case.found.options
    return options.personal is Personal.FULL and len(case.content) <= options.max_personal_bytes


def _bounces(found: MailingList) -> str:
    return with_role(found.address, "bounces")


def _personal_copy(means: Means, case: Case, front: bytes, body: bytes, member: headers.Personal) -> Made:
    found = case.found
    content = front + headers.unsubscribe_fields(found, means.link_base, member) + body
    return _copy(means, case, content, verp_address(_bounces(found), member.address), [member.address])


def _copies(means: Means, case: Case, content: bytes, members: Sequence[str]) -> list[Made]:
    """One message for all, but for those whose addresses need SMTPUTF8: not every server can take it from us then."""
    plain = [one for one in members if one.isascii()]
    others = [one for one in members if not one.isascii()]
    return [_copy(means, case, content, _bounces(case.found), some) for some in (plain, others) if some]


def _copy(means: Means, case: Case, content: bytes, sender: str, members: Sequence[str]) -> Made:
    found, flags = case.found, case.work.flags & _KEPT
    if case.work.flags & EntryFlag.FOREIGN:
        flags |= EntryFlag.STRANGER
    if found.options.personal is not Personal.OFF and not _is_personal(case):
        flags |= EntryFlag.VERP
    if not all(one.isascii() for one in members):
        flags |= EntryFlag.UTF8
    return means.plan(
        content,
        sender,
        members,
        flags=flags,
        owner=owner_of_list(found),
        parent=case.work.entry_id,
        language=str(found.options.language),
    )


def _note_refused(means: Means, case: Case, answer: Answer, made: Sequence[Made]) -> None:
    """Members to whom there is no way: as if their mail had come back."""
    for address, reason in [one for each in made for one in each.refused]:
        member = means.directory.find_member(case.found.list_id, parse_address(address))
        if member is not None:
            count_bounce(means, case, answer, member, reason)


def _archived(means: Means, case: Case, answer: Answer, content: bytes) -> list[Made]:
    """The copy for the archive, if there is one."""
    wanted = case.found.options.archive
    if not wanted:
        return []
    delivery = _archive(means, wanted)
    if delivery is None:
        answer.note(case, Code.NOT_DELIVERED_LOCAL, wanted, "There is no such folder for the archive")
        return []
    now_ms, ident = int(means.clock() * 1000), means.new_ident()
    stored = return_path(parse_address(_bounces(case.found))) + content
    summary = summary_of(stored)
    known = detail(list=case.found.address, parent=f"{case.work.entry_id:x}")
    record = Record(ident, Code.MADE_HERE, case.found.address, size=len(stored), text="archive", detail=known)
    arrival = Arrival(summary, (delivery,), now_ms, now_ms, (record,), ident)
    return [Made(Acceptance(summary, arrival), stored)]


def _archive(means: Means, wanted: str) -> Delivery | None:
    owner, _, folder = wanted.partition("/")
    account: AccountId | None = SHARED
    if owner != "#shared":
        try:
            targets = means.directory.resolve(parse_address(owner)).targets
        except EstafetaError:
            return None
        account = next((one.account_id for one in targets if isinstance(one, LocalTarget)), None)
    mailbox = look.find_mailbox(means.database, account, folder) if account is not None else None
    return None if mailbox is None else Delivery(mailbox.account_id, mailbox.mailbox_id, address=wanted)
