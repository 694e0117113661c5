"""The base subject, by which SORT and THREAD tell which messages have one subject: RFC 5256 2.1, to the letter.

Takes time in proportion to the subject and never raises.
"""

import re
from typing import NamedTuple

from estafeta.mail.encodedwords import decode_header

_SPACES = re.compile("  +")
# subj-blob and subj-refwd of RFC 5256 5. In subjects WSP is spaces only by then.
_BLOB = re.compile(r"\[[^\[\]]*+\] *+")
_REPLY = re.compile(r"(?:re|fwd?) *+(?:\[[^\[\]]*+\] *+)?:", re.ASCII | re.IGNORECASE)
_TRAILER = "(fwd)"
_FORWARD_HEAD, _FORWARD_TAIL = "[fwd:", "]"


class BaseSubject(NamedTuple):
    """The base subject, and whether the original is one of a reply or forward (RFC 5256 3, REFERENCES (5))."""

    text: str
    is_reply: bool


def base_subject(raw: bytes | None) -> BaseSubject:
    """Of a Subject field's value as it stands in the header; None for no such field."""
    return BaseSubject("", False) if not raw else base_of_text(decode_header(raw))


def base_of_text(subject: str) -> BaseSubject:
    """Of a subject that is decoded, in one line."""
    # (1): encoded words are decoded; tabs and line ends are spaces, and spaces are one.
    text = subject.replace("\t", " ")
    if "  " in text:
        text = _SPACES.sub(" ", text)
    start, end, is_reply = 0, len(text), False
    while True:
        stripped = _strip_trailers(text, start, end)
        left, replied = _strip_leaders(text, start, stripped[0])
        is_reply = is_reply or stripped[1] or replied
        start, end = left, stripped[0]
        # (6): "[fwd: ... ]" goes, and what is in it is looked at from (2) on.
        if text[start : start + 5].lower() != _FORWARD_HEAD or end - start < 6 or text[end - 1] != _FORWARD_TAIL:
            return BaseSubject(text[start:end], is_reply)
        start, end, is_reply = start + 5, end - 1, True


def _strip_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    """(2): where the subject ends without spaces and "(fwd)"s after it, and whether there was one of these."""
    is_forward = False
    while end > start:
        if text[end - 1] == " ":
            end -= 1
        elif end - start >= 5 and text[end - 1] == ")" and text[end - 5 : end].lower() == _TRAILER:
            end -= 5
            is_forward = True
        else:
            break
    return end, is_forward


def _strip_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """(3) to (5): where the subject begins without what stands before it, and whether a "Re:" or "Fwd:" did.

    The blobs in front are passed as one: either they belong to a "Re:" after them all, or to none and go one by one
    as long as something is left.
    """
    is_reply = False
    while True:
        while start < end and text[start] == " ":
            start += 1
        after, last = start, start
        while (blob := _BLOB.match(text, after, end)) is not None:
            last, after = after, blob.end()
        reply = _REPLY.match(text, after, end)
        if reply is None:
            return (after if after < end else last), is_reply
        start, is_reply = reply.end(), True
