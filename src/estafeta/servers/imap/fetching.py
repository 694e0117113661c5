"""Answering about messages: portions are made in threads, each while the one before is being sent.

For FETCH, for what STORE tells, and for new messages of NOTIFY.
"""

from array import array
from collections.abc import Iterable
from contextlib import aclosing

from estafeta.protocols.imap.fetchitems import FetchItem
from estafeta.servers.imap.fetchlines import Large, Work, answers, report_damage
from estafeta.servers.imap.fetchplan import make_plan
from estafeta.servers.imap.portion import Trouble
from estafeta.servers.imap.selected import Selected
from estafeta.servers.imap.session import ImapSession
from estafeta.servers.imap.streaming import prepared, send_large

# So few messages are answered in one go: looking ahead would cost more than it saves.
_FEW = 4


async def send_messages(
    session: ImapSession, selected: Selected, items: Iterable[FetchItem], uids: "array[int]"
) -> Trouble:
    """Answer about these messages of the view. What could not be answered is in the result.

    Raises ConnectionResetError when the peer is gone, or had to be cut off in the middle of a message that is damaged.
    """
    machine = session.machine
    recent_from = (1 << 32) if machine.rev2 else selected.view.recent_from
    work = Work(
        session.mailboxes,
        selected.folder.account_id,
        selected.folder.mailbox_id,
        make_plan(items, uid_only=machine.uid_only, recent_from=recent_from),
        uids,
        None if machine.uid_only else await selected.uids(),
        selected.bookmark,
    )
    if len(uids) <= _FEW:
        for answer in await session.thread(list, answers(work)):
            await _send(session, work, answer)
        return work.trouble
    async with aclosing(prepared(session, answers(work))) as portions:
        async for answer in portions:
            await _send(session, work, answer)
    return work.trouble


async def _send(session: ImapSession, work: Work, answer: list[bytes] | Large) -> None:
    if isinstance(answer, list):
        await session.send(*answer)
    elif await send_large(session, work.plan, answer.portion):
        work.trouble.answered += 1
    else:
        await session.send(report_damage(work, answer.portion["uid"][0], answer.portion.numbers[0]))
