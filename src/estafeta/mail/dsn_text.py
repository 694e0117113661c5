"""What a notice says to a person: which message, which recipient, why, what to do, whom to ask. Never raises.

Recipients of whom the same is to be said stand together. What other servers said is quoted, cut and without control
characters. Lines are cut where the language has spaces.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from estafeta.mail.dsn_english import ENGLISH
from estafeta.mail.dsn_japanese import JAPANESE
from estafeta.mail.dsn_reasons import Reason, find_reason
from estafeta.mail.dsn_spanish import SPANISH
from estafeta.mail.dsn_words import Action, NoticeKind, Words

LANGUAGES: Mapping[str, Words] = {words.tag: words for words in (ENGLISH, SPANISH, JAPANESE)}

MAX_SHOWN = 50
"""Recipients in the text; all are in the report."""
_LONGEST_REPLY = 600
_LONGEST_SUBJECT = 100
_WIDTH = 72
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Controls, among them those that turn the direction of writing."""


class RecipientStatus(NamedTuple):
    """What became of one recipient. `orcpt` with its type (`rfc822;`), decoded. `status` is X.Y.Z. `code` and
    `reply` are what the server `mta` answered to `command`; without a code, `reply` is what we say of it. Times in
    epoch seconds, 0 where unknown: the last attempt, and until when more are made. `waited_seconds`: it is given up
    after so long. `reason`: where it is known better than `status` tells."""

    address: str
    action: Action
    status: str
    orcpt: str = ""
    mta: str = ""
    code: int = 0
    reply: str = ""
    command: str = ""
    last_attempt: float = 0
    retry_until: float = 0
    waited_seconds: float = 0
    reason: Reason | None = None


class Letter(NamedTuple):
    """What the text speaks of, besides recipients. `arrived` in epoch seconds; `contact` is whom to ask."""

    kind: NoticeKind
    hostname: str
    subject: str
    arrived: float
    contact: str
    ident: str
    whole: bool


def find_words(language: str) -> Words:
    """The language for a tag such as `es-MX`; English for what is not spoken here."""
    return LANGUAGES.get(language.lower().partition("-")[0].partition("_")[0], ENGLISH)


def subject_of(letter: Letter, words: Words) -> str:
    """The subject of the notice, one line."""
    return words.subjects[letter.kind].format(subject=_subject(letter, words))


def write_text(letter: Letter, recipients: Sequence[RecipientStatus], words: Words) -> str:
    """The text, lines ended by a line feed."""
    opening = words.openings[letter.kind].format(
        subject=_subject(letter, words), date=words.say_date(letter.arrived), hostname=letter.hostname
    )
    blocks = [_wrap(opening, words)]
    groups: dict[str, list[str]] = {}
    for status in recipients[:MAX_SHOWN]:
        groups.setdefault(_explain(status, words), []).append(f"  {clean(status.address, 320)}")
    blocks += ["\n".join(addresses) + "\n" + text for text, addresses in groups.items()]
    if len(recipients) > MAX_SHOWN:
        blocks.append(_wrap(words.more.format(count=len(recipients) - MAX_SHOWN), words))
    if letter.kind is NoticeKind.FAILURE:
        blocks.append(_wrap(words.returned_whole if letter.whole else words.returned_header, words))
    blocks.append(_wrap(words.help.format(contact=letter.contact, ident=letter.ident), words))
    return "\n\n".join(blocks) + "\n"


def clean(text: str, longest: int) -> str:
    """One line that can be shown, at most so long."""
    text = _NOT_SHOWN.sub(" ", text[: 4 * longest]).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _subject(letter: Letter, words: Words) -> str:
    return clean(letter.subject, _LONGEST_SUBJECT) or words.no_subject


def _explain(status: RecipientStatus, words: Words) -> str:
    """What happened to the recipient, what to do, and the reply, each in its paragraph."""
    if status.action in words.done:
        mta = clean(status.mta, 255) or domain_of(status.address)
        return _wrap(words.done[status.action].format(mta=mta), words, "    ")
    reason = status.reason or find_reason(status.status, status.code, status.reply, status.command)
    advice, domain = words.reasons[reason], domain_of(status.address)
    join = " " if words.wraps else ""
    sentences = [advice.what.format(domain=domain, address=clean(status.address, 320))]
    if status.action is Action.DELAYED:
        if status.retry_until:
            sentences.append(words.retry_until.format(date=words.say_date(status.retry_until)))
        return "\n".join([_wrap(join.join(sentences), words, "    "), *_quote(status, words)])
    if status.waited_seconds:
        sentences.append(words.given_up.format(span=words.say_span(status.waited_seconds)))
    to_do = words.label_to_do.format(text=advice.to_do.format(domain=domain))
    return "\n".join([_wrap(join.join(sentences), words, "    "), _wrap(to_do, words, "    "), *_quote(status, words)])


def _quote(status: RecipientStatus, words: Words) -> list[str]:
    if not status.reply:
        return []
    code = " ".join(word for word in (str(status.code or ""), status.status if status.code else "") if word)
    reply = clean(status.reply, _LONGEST_REPLY)
    # The status is said once, also where the server repeats it in its text.
    said = reply if not code else f"{code} {reply.removeprefix(status.status).strip()}"
    head = words.server_said.format(mta=clean(status.mta, 255)) if status.code and status.mta else words.we_say
    return [f"    {head}", textwrap.fill(said, _WIDTH, initial_indent="      ", subsequent_indent="      ")]


def domain_of(address: str) -> str:
    """The domain of an address as it is said; the whole where there is none."""
    return clean(address.rpartition("@")[2], 255)


def _wrap(text: str, words: Words, indent: str = "") -> str:
    if not words.wraps:
        return indent + text
    return textwrap.fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
