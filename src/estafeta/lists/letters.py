"""Letters of a list to people: composed in its language, from NAME-request, with the null reverse-path.

RFC 3834: they are marked as automatic (3.1.7), so that no program answers them, and nothing automatic gets one.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from textwrap import wrap

from estafeta.directory.listnames import with_role
from estafeta.directory.listvalues import Language, MailingList
from estafeta.lists import texts_en, texts_es, texts_ja
from estafeta.lists.headers import list_id
from estafeta.lists.values import Answer, Case, Made, Means, owner_of_list
from estafeta.mail.composing import mailbox_field, text_field, text_part
from estafeta.mail.dates import format_date
from estafeta.queue.values import EntryFlag

_LONGEST_WORD = 300
_COLUMNS = 76


class Letter(StrEnum):
    """What a list writes. In each language the texts have these names."""

    CONFIRM_JOIN = "confirm_join"
    CONFIRM_LEAVE = "confirm_leave"
    WELCOME = "welcome"
    GOODBYE = "goodbye"
    ALREADY = "already"
    NO_MEMBER = "no_member"
    CLOSED = "closed"
    ASKED = "asked"
    ADMIT = "admit"
    HELD = "held"
    MODERATE = "moderate"
    REJECTED = "rejected"
    BOUNCED = "bounced"
    BOUNCED_OWNER = "bounced_owner"
    HELP = "help"
    BAD_TOKEN = "bad_token"  # noqa: S105 - the name of a letter


TEXTS = {Language.ENGLISH: texts_en, Language.SPANISH: texts_es, Language.JAPANESE: texts_ja}


def compose_letter(
    found: MailingList,
    letter: Letter,
    to: str,
    *,
    hostname: str,
    ident: int,
    now: float,
    reply_to: str = "",
    link: str = "",
    **words: str,
) -> bytes:
    """The message, without Return-Path. `words`: what the text says besides the list's own names. `link`: a page that
    does the same as the answer; none: it is not spoken of."""
    texts = TEXTS[found.options.language]
    subject, body = texts.LETTERS[letter]
    said = {**_names(found), **{name: _one_line(text) for name, text in words.items()}}
    said["link"] = texts.LINK.format(link=link) if link else ""
    fields = (
        mailbox_field("From", found.title, with_role(found.address, "request")),
        mailbox_field("To", "", to),
        text_field("Subject", subject.format_map(said)),
        b"Date: " + format_date(now) + b"\r\n",
        f"Message-ID: <{ident:x}.list@{hostname}>\r\n".encode("ascii", "replace"),
        mailbox_field("Reply-To", "", reply_to) if reply_to else b"",
        list_id(found),
        b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
    )
    return b"".join(fields) + text_part(_wrapped(body.format_map(said)))


def send_letter(
    means: Means,
    answer: Answer,
    case: Case,
    letter: Letter,
    to: Sequence[str],
    *,
    reply_to: str = "",
    link: str = "",
    **words: str,
) -> None:
    """Put a letter into the answer, for each of these people one."""
    for address in to:
        made = make_letter(
            means, case.found, letter, address, parent=case.work.entry_id, reply_to=reply_to, link=link, **words
        )
        answer.made.append(made)


def make_letter(
    means: Means,
    found: MailingList,
    letter: Letter,
    to: str,
    *,
    parent: int = 0,
    reply_to: str = "",
    link: str = "",
    **words: str,
) -> Made:
    """The letter, ready to be taken in."""
    content = compose_letter(
        found,
        letter,
        to,
        hostname=means.hostname(),
        ident=means.new_ident(),
        now=means.clock(),
        reply_to=reply_to,
        link=link,
        **words,
    )
    language = str(found.options.language)
    owner = owner_of_list(found)
    return means.plan(content, "", [to], flags=EntryFlag.NOTICE, owner=owner, parent=parent, language=language)


def _names(found: MailingList) -> dict[str, str]:
    names = {
        "title": found.title,
        "list": found.address,
        "description": found.options.description,
        "request": with_role(found.address, "request"),
        "subscribe": with_role(found.address, "subscribe"),
        "unsubscribe": with_role(found.address, "unsubscribe"),
        "owner": with_role(found.address, "owner"),
    }
    return {name: _one_line(text) for name, text in names.items()}


def _wrapped(text: str) -> str:
    """Lines of at most 76 characters where there are spaces to break them at, and no more than one empty line."""
    lines = [piece for line in text.strip().split("\n") for piece in _wrapped_line(line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _wrapped_line(line: str) -> list[str]:
    margin = line[: len(line) - len(line.lstrip())]
    wrapped = wrap(
        line.strip(),
        _COLUMNS,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapped or [""]


def _one_line(text: str) -> str:
    """Words of others in a text of ours: no line of theirs begins anything."""
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST_WORD]
