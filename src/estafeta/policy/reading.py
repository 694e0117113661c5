"""What a message says to a reader, read once for all checks that ask: text, links, images, names of files.

Within limits: what comes after them is not read. A longer message is read in a thread, since it takes milliseconds.
"""

import asyncio
from typing import NamedTuple

from estafeta.mail.charsets import decode_text
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.htmlreading import read_html
from estafeta.policy.links import Link, links_of_text, parse_link

#: Octets of one text part, and text parts of one message: what a reader sees without much scrolling.
MAX_PART_OCTETS = 256 << 10
MAX_TEXT_PARTS = 8
#: Links of one message.
MAX_LINKS = 200
_MAX_FILES = 200
_INLINE_OCTETS = 32 << 10
_KEY = "reading"


class Reading(NamedTuple):
    """`plain`, `seen`: text of plain parts, and what is seen of HTML ones; `hidden`: characters of HTML that are not
    seen; `pictures`: parts that are images; `images`: shown by HTML; `forms`: HTML that asks for input; `files`: names
    of attached files, those in archives too."""

    plain: str = ""
    seen: str = ""
    has_plain: bool = False
    has_html: bool = False
    hidden: int = 0
    pictures: int = 0
    images: int = 0
    forms: bool = False
    links: tuple[Link, ...] = ()
    files: tuple[str, ...] = ()


_NOTHING = Reading()


async def reading_of(facts: Facts) -> Reading:
    """The reading of the session's message, made when first asked for."""
    content = facts.content
    if content is None:
        return _NOTHING
    known = known_reading(facts)
    if known is None:
        known = (
            read_content(content) if content.size <= _INLINE_OCTETS else await asyncio.to_thread(read_content, content)
        )
        facts.found[_KEY] = (content, known)
    return known


def known_reading(facts: Facts) -> Reading | None:
    """The reading, if somebody asked before."""
    content, reading = facts.found.get(_KEY) or (None, None)
    return reading if content is facts.content else None


def read_content(content: Content) -> Reading:
    """Read the parts."""
    plain: list[str] = []
    seen: list[str] = []
    links: list[Link] = []
    files: list[str] = []
    hidden = pictures = images = texts = 0
    has_plain = has_html = forms = False
    for part in content.parts:
        if part.name and len(files) < _MAX_FILES:
            files.append(part.name)
        pictures += part.media.startswith("image/")
        if part.attached or not part.media.startswith("text/") or texts >= MAX_TEXT_PARTS:
            continue
        texts += 1
        text = decode_text(part.octets[:MAX_PART_OCTETS], part.charset)
        if part.media == "text/html":
            page = read_html(text)
            has_html, forms = True, forms or page.forms
            hidden, images = hidden + page.hidden, images + page.images
            seen.append(page.text)
            links += filter(None, (parse_link(link.target, link.words) for link in page.links))
            links += links_of_text(page.text, MAX_LINKS)
        else:
            has_plain = True
            plain.append(text)
            links += links_of_text(text, MAX_LINKS)
    return Reading(
        "\n".join(plain),
        "\n".join(seen),
        has_plain,
        has_html,
        hidden,
        pictures,
        images,
        forms,
        tuple(dict.fromkeys(links))[:MAX_LINKS],
        tuple(files),
    )
