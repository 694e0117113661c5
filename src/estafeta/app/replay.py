"""What this server's checks would say now of a message, and of the session that brought it. Nothing is written."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from estafeta.app.rehearsal import Rehearsal
from estafeta.app.stores import Site
from estafeta.core.errors import EstafetaError, Kind
from estafeta.journal.reading import read_records
from estafeta.journal.story import Story, summarize
from estafeta.mail.headers import find_header_end
from estafeta.policy.checks import Check, Stage
from estafeta.policy.facts import Facts
from estafeta.policy.judgement import Judgement
from estafeta.policy.learning import Learner
from estafeta.policy.verdict import Verdict
from estafeta.protocols.smtp.limits import Mode

# A field that this server put in front of the message: Received with its ident is the first of them.
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_PUT_BY_US = (b"authentication-results", b"x-estafeta-result", b"arc-")
_MOST_IN_FRONT = 20
_NAMED = re.compile(r"(?P<helo>\S+) \[(?P<ip>[0-9A-Fa-f.:]+)\]")


class Case(NamedTuple):
    """The session to be played. `message` with CRLF or LF; `user` signs in first, "" for nobody."""

    message: bytes
    peer: str = "192.0.2.1"
    helo: str = "client.invalid"
    sender: str = ""
    recipients: Sequence[str] = ()
    user: str = ""


class Replayed(NamedTuple):
    """`said` in the order of the session; `judgement` is None when the session was refused before there was a message;
    `reply` is the server's last one."""

    said: tuple[tuple[Stage, Verdict], ...]
    judgement: Judgement | None
    reply: str


async def replay(site: Site, case: Case) -> Replayed:
    """Play it. Raises EstafetaError for a message larger than a rehearsal takes, and for names that cannot be said."""
    for words in (case.helo, case.sender, *case.recipients):
        if not words.isprintable() or " " in words:
            raise EstafetaError(Kind.INVALID, f"{words!r} cannot be said in a session.")
    said: list[tuple[Stage, Verdict]] = []
    judged: list[Judgement] = []

    def hear(check: Check, verdict: Verdict) -> None:
        said.append((check.stage, verdict._replace(check=check.name)))

    def learn(facts: Facts, judgement: Judgement) -> None:
        judged.append(judgement)

    rehearsal = Rehearsal(
        site,
        lambda words: None,
        peer=case.peer,
        mode=Mode.SUBMISSION if case.user else Mode.SMTP,
        tls=True,
        user=case.user,
        hear=hear,
        learner=Learner(judged=learn),
    )
    try:
        reply = await _play(rehearsal, case)
    finally:
        rehearsal.end()
    return Replayed(tuple(said), judged[-1] if judged else None, reply.decode("utf-8", "replace").strip())


async def _play(rehearsal: Rehearsal, case: Case) -> bytes:
    """The last reply that counts: of the message, else of what was refused."""
    steps = [f"EHLO {case.helo}\r\n".encode()]
    if case.user:
        steps.append(rehearsal.sign_in_line())
    steps.append(f"MAIL FROM:<{case.sender}>{'' if case.sender.isascii() else ' SMTPUTF8'}\r\n".encode())
    reply = await rehearsal.begin()
    for step in steps:
        if not reply.startswith((b"2", b"3")):
            return reply
        reply = await rehearsal.feed(step)
    if not reply.startswith(b"2"):
        return reply
    taken = False
    for recipient in case.recipients:
        reply = await rehearsal.feed(f"RCPT TO:<{recipient}>\r\n".encode())
        taken = taken or reply.startswith(b"2")
    if not taken:
        return reply
    reply = await rehearsal.feed(b"DATA\r\n")
    if not reply.startswith(b"3"):
        return reply
    lines = case.message.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)
    return await rehearsal.feed(stuffed + b"\r\n.\r\n")


def case_of(site: Site, message_id: int, stored: bytes) -> Case:
    """The session that brought a message, as far as the journal knows it, and the message as it came.

    Raises EstafetaError NOT_FOUND when the journal does not know it."""
    records = read_records(site.database, message_id)
    if not records:
        raise EstafetaError(Kind.NOT_FOUND, f"The journal knows no message {message_id:x}.")
    story: Story = summarize(records)
    found = _NAMED.search(story.peer)
    message = without_front(stored, story.ident)
    case = Case(message, sender=story.sender, recipients=tuple(story.recipients), user=_login(story))
    return case._replace(peer=found["ip"], helo=found["helo"]) if found else case


def _login(story: Story) -> str:
    return str(story.records[0].detail.get("login", ""))


def without_front(stored: bytes, ident: str) -> bytes:
    """A stored message without the fields that were put in front of it when it came in as `ident`."""
    end = find_header_end(stored)
    header = stored if end < 0 else stored[:end]
    at = 0
    ours = False
    for _ in range(_MOST_IN_FRONT):
        field = _FIELD.match(header, at)
        if field is None:
            break
        name = field[0].partition(b":")[0].strip().lower()
        if ours and not name.startswith(_PUT_BY_US):
            break
        ours = ours or (name == b"received" and ident.encode() in field[0])
        at = field.end()
    return stored[at:] if ours else stored
