"""What a transaction of the client machine means for each recipient. Pure."""

from typing import NamedTuple

from estafeta.delivery.values import ErrorKind, Outcome, OutcomeKind, ReplyInfo, error_word
from estafeta.protocols.smtp.client_replies import RawReply, parse_reply
from estafeta.protocols.smtp.client_transaction import Phase, Problem, Transaction

_PROBLEMS = {
    Problem.LOST: (ErrorKind.LOST, "4.4.2", "The connection to {host} was lost{when}."),
    Problem.TIMEOUT: (ErrorKind.TIMEOUT, "4.4.2", "{host} did not answer in time{when}."),
    Problem.CLOSING: (ErrorKind.LOST, "4.3.2", "{host} closed the session{when}."),
    Problem.ENDLESS: (ErrorKind.PROTOCOL, "4.5.0", "A reply of {host} did not end{when}."),
    Problem.PROTOCOL: (ErrorKind.PROTOCOL, "4.5.0", "{host} does not follow the protocol{when}{said}."),
    Problem.INJECTED: (ErrorKind.TLS, "4.7.5", "Somebody put clear text behind the STARTTLS reply of {host}."),
    Problem.LOCAL: (ErrorKind.LOCAL, "4.3.0", "The message could not be read here{when}."),
}


class Judged(NamedTuple):
    """`outcomes` in the order of the recipients. `again` are the places of those that the server wants in another
    transaction (RFC 5321 4.5.3.1.10). `lost_after_dot` as in TransmissionResult."""

    outcomes: list[Outcome]
    again: list[int]
    lost_after_dot: bool


def reply_info(raw: RawReply, command: str) -> ReplyInfo:
    """A reply of the machine as delivery keeps it."""
    reply = parse_reply(raw)
    return ReplyInfo(reply.code, reply.enhanced, reply.text, command)


def problem_info(problem: Problem, host: str, command: str = "", wrong: bytes = b"") -> tuple[ErrorKind, ReplyInfo]:
    """What a problem of the session is called, and a reply that we say in the place of the server."""
    kind, status, words = _PROBLEMS[problem]
    when = f" while {_WHEN[command]}" if command in _WHEN else ""
    shown = wrong[:100].decode("utf-8", "replace")
    said = f'; it said "{"".join(char if char.isprintable() else "?" for char in shown)}"' if shown else ""
    return kind, ReplyInfo(0, status, words.format(host=host, when=when, said=said), command)


_WHEN = {
    "CONNECT": "waiting for the greeting",
    "EHLO": "waiting for the reply to EHLO",
    "STARTTLS": "TLS was started",
    "AUTH": "logging in",
    "MAIL": "waiting for the reply to MAIL",
    "RCPT": "waiting for the reply to RCPT",
    "DATA": "waiting for the reply to DATA",
    "content": "the message was sent",
    ".": "waiting for the reply to the message",
}
_AWAITED = {
    Phase.RESET: "MAIL",
    Phase.MAIL: "MAIL",
    Phase.RCPT: "RCPT",
    Phase.DATA: "DATA",
    Phase.CONTENT: "content",
    Phase.FINAL: ".",
}


def judge_transaction(transaction: Transaction, count: int, mta: str, *, fresh: bool, wrong: bytes = b"") -> Judged:
    """What became of the `count` recipients. `fresh`: this was the first transaction of its connection, so that silence
    cannot come of a connection that had ended before."""
    mail, finals = transaction.mail, transaction.finals
    if count == 1 and transaction.problem is None and transaction.accepted and finals:
        return Judged([_of_reply(finals[0], "DATA", mta)], [], False)
    if not fresh and mail is None and _unheard(transaction):
        return Judged([Outcome(OutcomeKind.UNTRIED, _missing(transaction, mta, wrong).reply, mta)] * count, [], False)
    if mail is not None and mail.code >= 400:
        return Judged([_of_reply(mail, "MAIL", mta)] * count, [], False)
    missing = _missing(transaction, mta, wrong)
    filed = _filed(transaction, mta, missing)
    outcomes, again, accepted = [], [], 0
    for number in range(count):
        raw = transaction.rcpts[number] if number < len(transaction.rcpts) else None
        if raw is not None and raw.positive:
            outcomes.append(filed[accepted] if accepted < len(filed) else missing)
            accepted += 1
        elif raw is None or raw.code < 400:
            outcomes.append(missing)
        else:
            outcome = _of_reply(raw, "RCPT", mta)
            if transaction.accepted and _too_many(outcome.reply):
                outcome = outcome._replace(kind=OutcomeKind.DEFERRED)
                again.append(number)
            outcomes.append(outcome)
    lost = transaction.content_ended and transaction.problem in _SILENT and any(one is missing for one in outcomes)
    return Judged(outcomes, again, lost)


_SILENT = frozenset({Problem.LOST, Problem.TIMEOUT, Problem.ENDLESS, Problem.PROTOCOL})


def _unheard(transaction: Transaction) -> bool:
    """The server closed before it heard of this transaction, or says so (RFC 5321 3.8: 421 at any time)."""
    if transaction.closing is not None:
        return not transaction.rcpts
    return transaction.problem is Problem.LOST and not transaction.content_ended


def _filed(transaction: Transaction, mta: str, missing: Outcome) -> list[Outcome]:
    """Outcomes of the accepted recipients, in order."""
    outcomes = [_of_reply(raw, "DATA", mta) for raw in transaction.finals]
    if transaction.per_recipient:
        return outcomes
    return outcomes[:1] * transaction.accepted if outcomes else [missing] * transaction.accepted


def _missing(transaction: Transaction, mta: str, wrong: bytes) -> Outcome:
    """What is said of recipients that got no reply of their own."""
    if transaction.data is not None and transaction.data.code >= 400:
        return _of_reply(transaction.data, "DATA", mta)
    awaited = _AWAITED.get(transaction.stopped, "DATA")
    command = awaited if awaited in ("MAIL", "RCPT") else "DATA"
    if transaction.closing is not None:
        return _of_reply(transaction.closing, command, mta)
    kind, info = problem_info(transaction.problem or Problem.PROTOCOL, mta, awaited, wrong)
    return Outcome(OutcomeKind.DEFERRED, info._replace(command=command), mta, kind)


def _of_reply(raw: RawReply, command: str, mta: str) -> Outcome:
    info = reply_info(raw, command)
    if raw.code < 300:
        return Outcome(OutcomeKind.DELIVERED, info, mta)
    kind = OutcomeKind.DEFERRED if raw.code < 500 else OutcomeKind.FAILED
    return Outcome(kind, info, mta, error_word(info))


def _too_many(reply: ReplyInfo) -> bool:
    # RFC 5321 4.5.3.1.10: 452, and 552 of servers that follow RFC 821. With an enhanced code only X.5.3 means it.
    return reply.code in (452, 552) and reply.status[1:] in ("", ".5.3")
