"""Links: where they lead, and what is odd about where they say they lead. Never raises."""

import ipaddress
import re
import unicodedata
from typing import NamedTuple
from urllib.parse import unquote

from estafeta.mail.address import domain_key

_MAX_URL = 2000
# In plain text: up to what cannot stand in a link.
_IN_TEXT = re.compile(r"\bhttps?://[^\s<>\"'\\^`{|}]{1,2000}", re.IGNORECASE)
_SCHEME = re.compile(r"\s*(https?)\s*:[/\\]{2,}([^/\\?#]*)", re.IGNORECASE)
_PORT = re.compile(r":\d{0,5}\Z")
# Words of a link that are a place themselves: `www.example.org/x` or `https://example.org`.
_PLACE = re.compile(r"(?:https?://)?((?:[a-z0-9-]{1,63}\.)+[a-z]{2,24})(?:[/:?#]\S*)?", re.IGNORECASE)
_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|\d{1,10}", re.IGNORECASE)


class Link(NamedTuple):
    """`host`: lower case A-labels, or an IP address, "" for none; `user`: what stands before `@`; `words`: what a
    person reads, "" where the link itself is read."""

    url: str
    host: str
    user: str = ""
    words: str = ""


def parse_link(url: str, words: str = "") -> Link | None:
    """A link of the web; None for others (mailto:, cid:, relative ones)."""
    found = _SCHEME.match(url[:_MAX_URL])
    if found is None:
        return None
    user, _, place = found[2].rpartition("@")
    host = unquote(_PORT.sub("", place)).strip().strip(".")
    return Link(url[:_MAX_URL], domain_key(host), user, words)


def links_of_text(text: str, most: int) -> list[Link]:
    """The links that stand in plain text, as programs make them clickable; `most` at most."""
    links: list[Link] = []
    if "://" not in text:
        return links
    for found in _IN_TEXT.finditer(text):
        link = parse_link(found.group().rstrip(".,;:!?)]"))
        if link is not None:
            links.append(link)
        if len(links) >= most:
            break
    return links


def is_address(host: str) -> bool:
    """An IP address, also in the spellings that browsers take and people do not read (one number, hex)."""
    bare = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        parts = bare.split(".")
        return len(parts) <= 4 and all(_NUMBER.fullmatch(part) for part in parts)
    return True


def said_place(words: str) -> str:
    """The host that the words of a link claim to lead to; "" where they claim none."""
    words = words.strip()
    found = _PLACE.fullmatch(words) if "." in words and "@" not in words else None
    return domain_key(found[1]) if found is not None else ""


def mixes_scripts(host: str) -> str:
    """A label of a name in which letters of another script stand among Latin ones, or that looks Latin and is not:
    `аpple` with a Cyrillic а. "" for none. Names wholly in a script of their own are names like any other."""
    for label in host.split("."):
        if label.startswith("xn--"):
            text = _u_label(label)
            scripts = {_script(letter) for letter in text if letter.isalpha()} - {""}
            if ("LATIN" in scripts and scripts & {"CYRILLIC", "GREEK"}) or _looks_latin(text, scripts):
                return text
    return ""


def _u_label(label: str) -> str:
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return ""


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


# Cyrillic letters that no reader tells from Latin ones (Unicode Technical Standard 39, confusables).
_TWINS = frozenset("асԁеһіјӏорԛѕѵԝху")


def _looks_latin(text: str, scripts: set[str]) -> bool:
    return scripts == {"CYRILLIC"} and all(letter in _TWINS for letter in text if letter.isalpha())
