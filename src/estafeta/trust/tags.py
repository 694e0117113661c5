"""Tag=value lists (RFC 6376 3.2): DKIM and ARC fields, key records, and the records of DMARC, BIMI, TLSRPT.

In: one list, as it stands in a field or a record. Out: its tags in order, names as written, values without the white
space around them. What is no list raises TagError; nothing else does. Strict, because two programs that read the same
signature must not see two: a tag that comes twice makes the whole list void.

RFC 8616 5: values may hold UTF-8.
"""

import re

#: A DKIM-Signature with a long h= and an RSA-4096 signature has 2 KiB; what is much longer is meant to cost.
MAX_LIST_OCTETS = 16 << 10
#: All tags that are registered for any of these lists are fewer.
MAX_TAGS = 64

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class TagError(ValueError):
    """What comes is no list of tags; says why, in words without a full stop."""


def parse_tags(content: bytes) -> dict[str, str]:
    """The tags of a list. White space within values becomes spaces; `compact` removes them.

    Raises TagError."""
    if len(content) > MAX_LIST_OCTETS:
        raise TagError("the list of tags is longer than 16 KiB")
    parts = _unfolded(content).split(";", MAX_TAGS + 1)
    if len(parts) > MAX_TAGS:
        raise TagError(f"the list has more than {MAX_TAGS} tags")
    if not parts[-1].strip(" "):
        parts.pop()  # one semicolon may end the list
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(" ")
        if not equals or not _NAME.fullmatch(name):
            raise TagError(f"the list has a part that is no tag: {part.strip()[:40]!r}")
        if name in tags:
            raise TagError(f"the tag {name[:40]}= comes twice")
        tags[name] = value.strip(" ")
    return tags


def compact(value: str) -> str:
    """A value of `parse_tags` without white space, as base64 and lists between colons are read (RFC 6376 3.2, 3.5)."""
    return value.replace(" ", "")


def split_list(value: str) -> list[str]:
    """The members of a list between colons, without white space."""
    return compact(value).split(":")


def _unfolded(content: bytes) -> str:
    """The text on one line. RFC 6376 3.2: FWS and visible characters, nothing else."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise TagError("the list of tags is not UTF-8 text") from None
    if "\n" in text:
        text = text.replace("\r\n ", " ").replace("\r\n\t", " ")
    if "\t" in text:
        text = text.replace("\t", " ")
    if not text.isprintable():
        raise TagError("the list of tags has control characters")
    return text
