"""Commands by mail: to join, to leave, to confirm, to ask for help; and what a moderator answers.

Who is meant is who wrote: the author in From, else the reverse-path. Nothing automatic is answered (RFC 3834 2), or
two programs would write to each other for ever; only a link to leave works for programs too (RFC 8058).
"""

import re
from collections.abc import Callable

from estafeta.core.errors import EstafetaError
from estafeta.directory.listnames import with_role
from estafeta.directory.listvalues import How, Join, Leave, MailingList, NewMember
from estafeta.journal.records import Code
from estafeta.lists.confirming import make_confirmation
from estafeta.lists.held import Held, list_held
from estafeta.lists.incoming import Incoming, read_incoming
from estafeta.lists.letters import Letter, make_letter, send_letter
from estafeta.lists.tokens import Act, Token, check_token, last_day, make_token, parse_token
from estafeta.lists.values import Answer, Case, Fate, Made, Means, Moderated, people_who_decide
from estafeta.mail.address import Address, parse_address
from estafeta.mail.basesubject import base_of_text
from estafeta.queue.values import EntryFlag

_NAMED = re.compile(r"<([^<>\s]{1,300}@[^<>\s]{1,255})>")
_TOKEN = re.compile(r"\b[a-z][0-9a-z]{1,13}-[0-9a-z]{1,6}-[a-z2-7]{16}\b")
_SHORT = 4000
"""Octets of a message that can be a command sent to the wrong address; who writes more writes to the members."""

_JOIN = ("subscribe", "join", "alta", "suscribir", "suscripcion", "suscripción", "登録", "入会")
_LEAVE = ("unsubscribe", "leave", "signoff", "baja", "borrar", "退会", "解除")


def take_request(means: Means, case: Case, answer: Answer) -> None:
    """A message to NAME-request: a word in the subject or the first line says what is wanted; else help."""
    incoming = read_incoming(case.content)
    command = find_command(incoming, in_text=True)
    if command is not None:
        command(means, case, answer)
    elif not _is_automatic(case, incoming, answer):
        send_letter(means, answer, case, Letter.HELP, [str(_authors(case, incoming)[0])])
        answer.note(case, Code.LIST_COMMAND, case.work.sender, "help")
        answer.end(case, Fate.DONE)


def find_command(incoming: Incoming, *, in_text: bool) -> Callable[[Means, Case, Answer], None] | None:
    """What the subject alone asks for; with `in_text` also a line that says nothing else."""
    lines = [incoming.subject, *(incoming.first_lines() if in_text else ())]
    for line in lines:
        word = base_of_text(line).text.strip(" .!\"'").casefold()
        if word in _JOIN:
            return take_subscribe
        if word in _LEAVE:
            return take_unsubscribe
    return None


def misdirected(case: Case, incoming: Incoming) -> Callable[[Means, Case, Answer], None] | None:
    """The command in a short message that was sent to all members instead of NAME-request: a classic."""
    return find_command(incoming, in_text=False) if len(case.content) <= _SHORT else None


def take_subscribe(means: Means, case: Case, answer: Answer) -> None:
    """A message to NAME-subscribe."""
    incoming = read_incoming(case.content)
    if _is_automatic(case, incoming, answer):
        return
    found, who = case.found, _authors(case, incoming)[0]
    if found.options.subscribe is Join.CLOSED:
        send_letter(means, answer, case, Letter.CLOSED, [str(who)])
        _done(case, answer, who, "subscribe: the list is closed")
    elif means.directory.find_member(found.list_id, who) is not None:
        send_letter(means, answer, case, Letter.ALREADY, [str(who)], who=str(who))
        _done(case, answer, who, "subscribe: a member already")
    elif found.options.subscribe is Join.OPEN:
        _join(means, case, answer, who, incoming)
    else:
        _ask(means, case, answer, Letter.CONFIRM_JOIN, Act.JOIN, who)


def take_unsubscribe(means: Means, case: Case, answer: Answer) -> None:
    """A message to NAME-unsubscribe, perhaps with the token of a member."""
    token = parse_token(case.argument)
    if token is not None and token.act is Act.OUT and check_token(case.found, token, means.clock()):
        member = means.directory.find_member(case.found.list_id, number=token.number)
        if member is None:
            _done(case, answer, None, "unsubscribe: no member any more")
        else:
            _leave(means, case, answer, parse_address(member.address))
        return
    incoming = read_incoming(case.content)
    if _is_automatic(case, incoming, answer):
        return
    authors = _authors(case, incoming)
    who = next((one for one in authors if means.directory.find_member(case.found.list_id, one) is not None), None)
    if who is None:
        send_letter(means, answer, case, Letter.NO_MEMBER, [str(authors[0])], who=str(authors[0]))
        _done(case, answer, authors[0], "unsubscribe: no member")
    elif case.found.options.unsubscribe is Leave.CONFIRM or _is_doubtful(means, case, who):
        _ask(means, case, answer, Letter.CONFIRM_LEAVE, Act.LEAVE, who)
    else:
        _leave(means, case, answer, who)


def take_confirm(means: Means, case: Case, answer: Answer) -> None:
    """An answer to a letter with a token."""
    incoming = read_incoming(case.content)
    if _is_automatic(case, incoming, answer):
        return
    token = parse_token(case.argument) or _token_in(incoming.subject)
    authors = _authors(case, incoming)
    if token is None or not _confirmed(means, case, answer, incoming, token, authors):
        send_letter(means, answer, case, Letter.BAD_TOKEN, [str(authors[0])])
        _done(case, answer, authors[0], "confirm: no token of this list, or too late")


def _confirmed(
    means: Means, case: Case, answer: Answer, incoming: Incoming, token: Token, authors: list[Address]
) -> bool:
    now, found = means.clock(), case.found
    match token.act:
        case Act.JOIN | Act.LEAVE:
            who = next((one for one in authors if check_token(found, token, now, one.key)), None)
            if who is None:
                return False
            if token.act is Act.LEAVE:
                _leave(means, case, answer, who)
            elif found.options.subscribe is Join.APPROVE:
                _ask_owners(means, case, answer, who)
            else:
                _join(means, case, answer, who, incoming)
        case Act.ADMIT:
            who = _named_in(incoming.subject)
            if who is None or not check_token(found, token, now, who.key):
                return False
            _join(means, case, answer, who, None)
        case Act.APPROVE | Act.REJECT:
            if not check_token(found, token, now):
                return False
            _decide(means, case, answer, token, authors[0])
        case Act.OUT:
            return False
    return True


def rejection(means: Means, found: MailingList, held: Held) -> Made | None:
    """The letter to who wrote what was rejected. Strangers get none: their address may be forged."""
    if not held.sender:
        return None
    author = parse_address(held.sender)
    if held.flags & EntryFlag.FOREIGN and means.directory.find_member(found.list_id, author) is None:
        return None
    return make_letter(means, found, Letter.REJECTED, held.sender, parent=held.entry_id, subject=held.subject)


def _decide(means: Means, case: Case, answer: Answer, token: Token, who: Address) -> None:
    approved = token.act is Act.APPROVE
    with means.database.read() as conn:
        held = list_held(conn, case.found, token.number)
    if not held:
        _done(case, answer, who, "moderate: decided already")
        return
    answer.moderated.append(Moderated(token.number, approved, f"by {who}"))
    letter = None if approved else rejection(means, case.found, held[0])
    if letter is not None:
        answer.made.append(letter)
    _done(case, answer, who, f"{'approve' if approved else 'reject'} {token.number:x}")


def _ask(means: Means, case: Case, answer: Answer, letter: Letter, act: Act, who: Address) -> None:
    """Whether it was really they who wrote."""
    answer.made.append(make_confirmation(means, case.found, letter, act, who, parent=case.work.entry_id))
    _done(case, answer, who, f"{letter}: asked")


def _ask_owners(means: Means, case: Case, answer: Answer, who: Address) -> None:
    found, days = case.found, means.settings.current.lists.confirm_days
    token = make_token(found, Act.ADMIT, day=last_day(means.clock(), days), about=who.key)
    words = {"who": str(who), "days": str(days)}
    reply_to = with_role(found.address, "confirm", token)
    send_letter(means, answer, case, Letter.ADMIT, people_who_decide(found), reply_to=reply_to, **words)
    send_letter(means, answer, case, Letter.ASKED, [str(who)], **words)
    _done(case, answer, who, "subscribe: the owners are asked")


def _join(means: Means, case: Case, answer: Answer, who: Address, incoming: Incoming | None) -> None:
    name = ""
    if incoming is not None and incoming.authors:
        name = incoming.authors[0].display_name
    new = means.directory.subscribe(case.found.address, [NewMember(str(who), name)], How.MAIL)
    if case.found.options.welcome and new:
        send_letter(means, answer, case, Letter.WELCOME, [str(who)], who=str(who))
    _done(case, answer, who, "subscribe")


def _leave(means: Means, case: Case, answer: Answer, who: Address) -> None:
    try:
        means.directory.unsubscribe(case.found.address, [str(who)])
    except EstafetaError:
        _done(case, answer, who, "unsubscribe: no member any more")
        return
    if case.found.options.welcome:
        send_letter(means, answer, case, Letter.GOODBYE, [str(who)], who=str(who))
    _done(case, answer, who, "unsubscribe")


def _done(case: Case, answer: Answer, who: Address | None, text: str) -> None:
    answer.note(case, Code.LIST_COMMAND, str(who or case.work.sender), text)
    answer.end(case, Fate.DONE)


def _is_automatic(case: Case, incoming: Incoming, answer: Answer) -> bool:
    if not case.work.sender or incoming.is_automatic:
        answer.drop(case, "A program wrote to an address for commands; it gets no answer")
        return True
    return False


def _is_doubtful(means: Means, case: Case, who: Address) -> bool:
    """Somebody outside says that they are one of our users."""
    return bool(case.work.flags & EntryFlag.FOREIGN) and means.directory.is_local_domain(who.domain)


def _authors(case: Case, incoming: Incoming) -> list[Address]:
    """The first author in From, then the reverse-path. Never empty: the null reverse-path was turned away."""
    found = [*incoming.author_addresses[:1], parse_address(case.work.sender)]
    return list({address.key: address for address in found}.values())


def _token_in(text: str) -> Token | None:
    match = _TOKEN.search(text.lower())
    return parse_token(match.group()) if match is not None else None


def _named_in(text: str) -> Address | None:
    match = _NAMED.search(text)
    try:
        return parse_address(match[1]) if match is not None else None
    except EstafetaError:
        return None
