"""What a person sees of HTML, as far as judging needs it: text and hidden text, links with their words, images.

One pass with a regular expression whose parts cannot match the same text twice: hostile HTML costs no more than its
length. Whatever is no HTML reads as text. Never raises.
"""

import html
import re
from typing import NamedTuple

#: Of one part; visible text, words of links.
MAX_LINKS = 200
_MAX_WORDS = 200
_TOKEN = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,20})([^<>]{0,4096})>")
# Closing quotes are not asked for: looking for one that is not there would cost the square of the length.
_HREF = re.compile(
    r"""\b(?:href|action)[ \t\r\n]{0,9}=[ \t\r\n]{0,9}(?:"([^"]*)|'([^']*)|([^\s"'>]+))""", re.IGNORECASE
)
_STYLE = re.compile(r"""\bstyle[ \t\r\n]{0,9}=[ \t\r\n]{0,9}(?:"([^"]*)|'([^']*))""", re.IGNORECASE)
_HIDDEN_WORD = re.compile(r"\bhidden(?:\s|=|/|\Z)", re.IGNORECASE)
_HIDING = re.compile(
    r"display:none|visibility:hidden|font-size:0*(?:\.\d+)?[01]?(?:px|pt|em|%|;|\Z|!)|opacity:0(?:\.0+)?(?:;|\Z|!)"
    r"|max-height:0(?:px)?(?:;|\Z|!)"
)
# Text between these is for no reader.
_SILENT = frozenset({"style", "script", "title", "head", "template", "noscript"})
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})


class HtmlLink(NamedTuple):
    """Where it leads, and the words that a person sees."""

    target: str
    words: str


class HtmlReading(NamedTuple):
    """`text`: what is seen; `hidden`: how many characters are there and not seen; `forms`: a form asks for input."""

    text: str = ""
    hidden: int = 0
    images: int = 0
    forms: bool = False
    links: tuple[HtmlLink, ...] = ()


class _Reader:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.hidden = 0
        self.images = 0
        self.forms = False
        self.links: list[HtmlLink] = []
        self._within = ""
        self._depth = 0
        self._silent = False
        self._target = ""
        self._words: list[str] = []

    def text(self, piece: str) -> None:
        words = " ".join(html.unescape(piece).split())
        if not words:
            return
        if self._within:
            self.hidden += 0 if self._silent else len(words)
            return
        self.seen.append(words)
        if self._target:
            self._words.append(words)

    def opens(self, name: str, attributes: str) -> None:
        if self._within:
            self._depth += name == self._within
            return
        if name in _SILENT or (name not in _VOID and _hides(attributes)):
            self._within, self._depth, self._silent = name, 1, name in _SILENT
        if name == "img":
            self.images += 1
        elif name in ("a", "area", "form"):
            self.forms = self.forms or name == "form"
            self._end_link()
            found = _HREF.search(attributes)
            self._target = html.unescape(next(filter(None, found.groups()), "")) if found else ""

    def closes(self, name: str) -> None:
        if self._within:
            self._depth -= name == self._within
            if self._depth <= 0:
                self._within = ""
        elif name == "a":
            self._end_link()

    def _end_link(self) -> None:
        if self._target and len(self.links) < MAX_LINKS:
            self.links.append(HtmlLink(self._target.strip(), " ".join(self._words)[:_MAX_WORDS]))
        self._target = ""
        self._words = []

    def end(self) -> HtmlReading:
        self._end_link()
        return HtmlReading(" ".join(self.seen), self.hidden, self.images, self.forms, tuple(self.links))


def read_html(text: str) -> HtmlReading:
    """What there is to see."""
    reader = _Reader()
    text = _without_comments(text)
    at = 0
    for token in _TOKEN.finditer(text):
        reader.text(text[at : token.start()])
        at = token.end()
        slash, name, attributes = token.groups()
        if slash:
            reader.closes(name.lower())
        else:
            reader.opens(name.lower(), attributes)
    reader.text(text[at:])
    return reader.end()


def _without_comments(text: str) -> str:
    """What stands between comments; one that does not end goes to the end."""
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0:
        kept.append(text[at:start])
        end = text.find("-->", start)
        if end < 0:
            return "".join(kept)
        at = end + 3
    kept.append(text[at:])
    return "".join(kept)


def _hides(attributes: str) -> bool:
    if "=" not in attributes and "hidden" not in attributes.lower():
        return False
    style = _STYLE.search(attributes)
    if style is not None and _HIDING.search(re.sub(r"\s", "", (style[1] or style[2] or "").lower())):
        return True
    return _HIDDEN_WORD.search(_STYLE.sub("", attributes)) is not None and '"hidden"' not in attributes
