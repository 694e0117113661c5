"""Rules for what stands in the header of a message: functions from a `Case` to what was found, in words, or ""."""

import re
import unicodedata
from typing import NamedTuple

from estafeta.mail.address import domain_key
from estafeta.mail.headers import parse_date
from estafeta.policy.facts import Facts
from estafeta.policy.fields import Fields
from estafeta.policy.identities import author_of, authors_of, dmarc_passed, identities_of
from estafeta.policy.phrases import Words
from estafeta.policy.reading import Reading
from estafeta.trust.publicsuffix import organizational_domain

_DAY = 86_400
# Mail waits in queues for five days and a little, and clocks are wrong by hours.
_OLDEST, _NEWEST = 8 * _DAY, 1 * _DAY
_ONCE = ("from", "date", "subject", "to", "cc", "message-id", "reply-to", "sender", "mime-version", "content-type",
         "content-transfer-encoding")  # fmt: skip
_LEAST_LETTERS = 10
# An address as people write it in a display name.
_ADDRESS = re.compile(r"[\w.+-]{1,64}@((?:[a-z0-9-]{1,63}\.)+[a-z]{2,24})\b", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"\s*<[^<>\s@]+@[^<>\s@]+>")
#: Where anybody gets an address at once. Of these it is asked that SPF or DKIM proves them: all of them sign.
FREEMAIL = frozenset(
    (
        *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com"),
        *("ymail.com", "aol.com", "icloud.com", "me.com", "gmx.de", "gmx.net", "gmx.com", "web.de", "mail.ru"),
        *("yandex.ru", "yandex.com", "proton.me", "protonmail.com", "zoho.com", "mail.com", "qq.com", "163.com"),
        *("126.com", "libero.it", "orange.fr", "free.fr", "laposte.net", "t-online.de", "rediffmail.com"),
    )
)


class Case(NamedTuple):
    """A message as rules see it. `subject`: its beginning, decoded; `words`: that and the beginning of the text, as
    phrases are sought in it."""

    facts: Facts
    fields: Fields
    reading: Reading
    subject: str = ""
    words: Words = Words()


def no_date(case: Case) -> str:
    """RFC 5322 3.6 requires it."""
    return "" if "date" in case.fields else "there is no Date"


def odd_date(case: Case) -> str:
    """A date that cannot be, for mail that comes now."""
    values = case.fields.raw("date")
    if not values:
        return ""
    date, now = parse_date(values[0]), case.facts.now
    if date is None:
        return "Date is none"
    if date > now + _NEWEST:
        return "Date lies in the future"
    return "Date lies more than a week back" if date < now - _OLDEST else ""


def no_message_id(case: Case) -> str:
    """Every program that people write with puts one."""
    return "" if "message-id" in case.fields else "there is no Message-ID"


def odd_message_id(case: Case) -> str:
    """Not of the form of RFC 5322 3.6.4."""
    values = case.fields.raw("message-id")
    return "Message-ID is none" if values and not _MESSAGE_ID.match(values[0]) else ""


def no_author(case: Case) -> str:
    """RFC 5322 3.6 requires From, with an address."""
    return "" if any(author.domain for author in authors_of(case.facts)) else "From has no address"


def twice(case: Case) -> str:
    """RFC 5322 3.6, RFC 2045 3: fields that stand once; programs differ in which one they show."""
    found = [name for name in _ONCE if len(case.fields.raw(name)) > 1]
    return f"more than one {', '.join(found)}" if found else ""


def no_recipients(case: Case) -> str:
    """To nobody that can be read."""
    return "" if "to" in case.fields or "cc" in case.fields else "there is no To"


def no_subject(case: Case) -> str:
    """People seldom leave it out."""
    return "" if case.subject.strip() else "Subject is empty"


def shouting(case: Case) -> str:
    """A subject in capitals."""
    letters = [letter for letter in case.subject if letter.isalpha()]
    cased = [letter for letter in letters if letter.lower() != letter.upper()]
    return "Subject is in capitals" if len(cased) >= _LEAST_LETTERS and all(map(str.isupper, cased)) else ""


def mixed_letters(case: Case) -> str:
    """Words in letters of two scripts that look alike: no filter is to find them, and no reader to see it."""
    names = " ".join(author.display_name for author in authors_of(case.facts)[:3])
    for place, text in (("Subject", case.subject), ("From", names)):
        if any(map(_is_mixed, text.split())):
            return f"words in {place} in letters of two scripts"
    return ""


def raw_octets(case: Case) -> str:
    """RFC 5322 2.2: a header is ASCII, RFC 6532: or UTF-8 where SMTPUTF8 was asked for."""
    content = case.facts.content
    if content is None or case.facts.smtputf8 or content.header.isascii():
        return ""
    return "the header has octets beyond ASCII"


def shows_other_address(case: Case) -> str:
    """A display name with an address of somebody else: it is what people see of From."""
    for author in authors_of(case.facts)[:3]:
        found = _ADDRESS.search(author.display_name)
        domain = domain_key(author.domain.decode("utf-8", "replace"))
        if found and domain and organizational_domain(domain_key(found[1])) != organizational_domain(domain):
            return f"From shows an address of {found[1].lower()} and is of {domain}"
    return ""


def unproven_freemail(case: Case) -> str:
    """From is of a provider all of whose mail is signed, and nothing proves it."""
    author = author_of(case.facts)
    domain = domain_key(author.domain) if author is not None else ""
    if domain not in FREEMAIL or dmarc_passed(case.facts) or "spf" not in case.facts.found:
        return ""
    return "" if identities_of(case.facts).author else f"nothing proves that it is of {domain}"


def answers_to_freemail(case: Case) -> str:
    """Answers go to an address anybody can have, and not to who the message says it is from."""
    author = author_of(case.facts)
    found = _ADDRESS.search(case.fields.text("reply-to"))
    if author is None or found is None or case.fields.raw("list-id"):
        return ""
    domain, answers = domain_key(author.domain), domain_key(found[1])
    return f"answers go to {answers}" if answers in FREEMAIL and domain != answers else ""


def no_mime_version(case: Case) -> str:
    """RFC 2045 4 requires it where a message has parts."""
    said = case.fields.text("content-type").lower()
    return "parts without MIME-Version" if "multipart/" in said and "mime-version" not in case.fields else ""


def _is_mixed(word: str) -> bool:
    if word.isascii():
        return False
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word[:100] if letter.isalpha()}
    return "LATIN" in scripts and bool(scripts & {"CYRILLIC", "GREEK"})
