"""rspamd: asked by HTTP with what is known of the envelope, answers points, symbols, and what it would do."""

from collections.abc import Sequence

from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_scanners import Place, parse_place
from estafeta.policy.authentication import name_of
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.scanners.asking import Absent, Asker, judge_absent
from estafeta.policy.scanners.http import Question, ask
from estafeta.policy.scanners.scores import score_verdict, tell_symbols
from estafeta.policy.scanners.wire import message_pieces
from estafeta.policy.verdict import Verdict, deferred, passed, rejected
from estafeta.protocols.scanners.rspamd import MAX_ANSWER_OCTETS, PATH, RspamdAnswer, parse_answer

NAME = "rspamd"
# Recipients that it is told of; it needs them for settings of users.
_MOST_RECIPIENTS = 100


async def find_spam(asker: Asker, hostname: str, facts: Facts, settings: Settings) -> RspamdAnswer | Absent | None:
    """Ask rspamd; None where the message is too large for it."""
    content, chosen = facts.content, settings.rspamd
    assert content is not None
    if content.size > chosen.max_bytes:
        return None
    place, fields = parse_place(chosen.server), _fields(facts, hostname)
    return await asker.ask(NAME, str(place), chosen.seconds, lambda: scan(place, content, fields))


async def scan(place: Place, content: Content, fields: Sequence[tuple[str, str]] = ()) -> RspamdAnswer:
    """Ask about a message. Raises OSError, AnswerError."""
    body = message_pieces(content)
    host = str(place) if place.host else "localhost"
    question = Question("POST", PATH, host, fields, body, content.size, MAX_ANSWER_OCTETS)
    return parse_answer(await ask(place, question))


def judge_spam(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    """Its points as ours, and what it would do where that is obeyed."""
    found, chosen = facts.found.get("rspamd"), settings.rspamd
    if isinstance(found, Absent):
        return (judge_absent(NAME, found, chosen.away),)
    if not isinstance(found, RspamdAnswer):
        return (passed(f"{NAME} did not see it: the message is larger than rspamd.max_bytes"),)
    if found.skipped and not found.points:
        return (passed(f"{NAME} did not look at it"),)
    told = tell_symbols(found.symbols)
    verdicts = score_verdict(NAME, found.points, found.threshold, chosen.weight_percent, told, settings)
    if chosen.obey and found.action == "reject":
        return (*verdicts, rejected("This looks like spam to us", f"{NAME} would reject it", 550, "5.7.1"))
    if chosen.obey and found.action == "soft reject":
        return (*verdicts, deferred("Try again later", f"{NAME} would put it off", 451, "4.7.1"))
    return verdicts


def _fields(facts: Facts, hostname: str) -> list[tuple[str, str]]:
    """What /checkv2 takes. An empty From is a null reverse-path."""
    fields = [("From", str(facts.sender or "")), ("Helo", facts.helo), ("MTA-Name", hostname)]
    if facts.peer != "local":
        fields.append(("IP", facts.peer))
    name = name_of(facts)
    if name is not None and name.name:
        fields.append(("Hostname", name.name))
    if facts.account is not None:
        fields.append(("User", facts.account.address))
    return fields + [("Rcpt", str(address)) for address, _ in facts.recipients[:_MOST_RECIPIENTS]]
