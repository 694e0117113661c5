"""What Bayes looks at in a message: words of some fields and of the texts, addresses of links, names of files, marks
of structure; as numbers (buckets), so that counts need no words and nobody can read mail out of them.

All work on single words is done by C functions over whole lists. A bucket is the CRC-32 of the word, begun with that of
where it stands, cut to 20 bits. It is no secret hash: who writes a word that falls into the bucket of a good one gains
nothing over writing the good one.

What this server writes into a message, and what other filters did, is left out: the same message has the same words
before and after it was stored.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import unescape
from itertools import chain, islice, pairwise, repeat
from zlib import crc32

from estafeta.core.remember import remember_short
from estafeta.mail.charsets import decode_text
from estafeta.mail.encodedwords import decode_header
from estafeta.policy.content import Content
from estafeta.policy.parts import Part

BUCKETS = 1 << 20
"""Numbers of buckets. A site that reads some languages knows some 100,000 words that came more than once."""
MAX_TOKENS = 1000
"""Different words of one message that are looked at; a letter of 4 KiB has some 400."""
MAX_TEXT = 64 << 10
"""Characters of all texts together: what follows says the same again."""

# Of one field: a subject has 78 octets, a padded one is cut.
_MAX_FIELD = 2000
_MAX_NAMES = 100
_MAX_LINKS = 100
_MAX_PARTS = 50
_MAX_ENTITIES = 2000

#: Field -> where its words stand. Words of the recipients' own names say more of the site than of the message.
_FIELDS = {
    "subject": "subject",
    "from": "from",
    "reply-to": "reply-to",
    "sender": "sender",
    "list-id": "list",
    "x-mailer": "mailer",
    "user-agent": "mailer",
    "organization": "organization",
}
# Written by servers on the way, by this one, by mail programs that sort, or by other filters.
_OURS = re.compile(
    r"^(?!received|return-path|delivered-to|x-original-to|envelope-to|authentication-results|arc-|x-estafeta|x-spam|x-rspamd"
    r"|x-virus|x-bogosity|x-crm114|x-dspam|x-antispam|x-mozilla|x-keywords|x-uid|x-gmail|x-ms-exchange|x-originalarrival"
    r"|x-amavis|x-status|status|content-length|lines|xref).{1,50}",
    re.MULTILINE,
)
# Scripts that are written without spaces (Thai to Myanmar, Khmer, kana, Han), and Hangul, where a word has many ends.
_SIGNS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[^\W{_SIGNS}][\w'-]{{1,23}}|[$€£¥]\d{{1,12}}")
_TWO_SIGNS = re.compile(rf"(?=([{_SIGNS}]{{2}}))")
# What of ASCII is in no word.
_BETWEEN_WORDS = str.maketrans({chr(one): " " for one in range(128) if not re.match(r"[\w'$-]", chr(one))})
_UNSEEN = re.compile("[\u00ad\u034f\u200b-\u200f\u2060-\u2064\ufeff]+")
_LINK = re.compile(r"https?://([^\s/\"'<>:?#()\[\]]{1,253})")
_ADDRESS = re.compile(r"[^\s<>,;:\"@()]{1,64}@([\w.-]{1,253})")
_TAG = re.compile(r"<[^<>]*>?")
_MARKS = ("<img", "<form", "<script", "<iframe", "display:none", "font-size:0", "javascript:", "data:image")

_MASK = BUCKETS - 1
# A pair begins where its first word ends, changed, so that "ab" and "c" are not "abc".
_BETWEEN = 0x9E3779B9


def features(content: Content, *, pairs: bool = False) -> list[int]:
    """The buckets of a message, each once, in the order of the words: at most `MAX_TOKENS`. `pairs`: also of words
    that stand side by side in the text, as far as there is room. Never raises."""
    words: list[str] = []
    begins: list[int] = []
    text: list[str] = []  # of what comes last
    for place, text in _words(content, every=pairs):
        words += text
        begins += [_begin(place)] * len(text)
    sums = list(map(crc32, _octets(words), begins))
    if pairs:
        sums += _pair_sums(sums[len(words) - len(text) :], text)
    return list(islice(dict.fromkeys(map(_MASK.__and__, sums)), MAX_TOKENS))


def names(content: Content, *, pairs: bool = False) -> dict[int, str]:
    """The same buckets, with the word that each is of, as in `subject:hello`: for a person to read."""
    found: dict[int, str] = {}
    for place, words in _words(content, every=pairs):
        sums = _sums(place, words)
        labels = (f"{place}:{word}" if place else word for word in words)
        named: Iterable[tuple[int, str]] = zip(sums, labels, strict=True)
        if pairs and not place:
            two = (f"{first} {second}" for first, second in pairwise(words))
            named = chain(named, zip(_pair_sums(sums, words), two, strict=True))
        for number, name in named:
            found.setdefault(number & _MASK, name)
        if len(found) >= MAX_TOKENS:
            break
    return dict(islice(found.items(), MAX_TOKENS))


def _sums(place: str, words: list[str]) -> list[int]:
    return list(map(crc32, _octets(words), repeat(_begin(place))))


@lru_cache(maxsize=64)
def _begin(place: str) -> int:
    return crc32(place.encode())


def _pair_sums(sums: list[int], words: list[str]) -> list[int]:
    return list(map(crc32, _octets(words[1:]), map(_BETWEEN.__xor__, sums)))


def _octets(words: list[str]) -> list[bytes]:
    """No word has a line end."""
    return "\n".join(words).encode("utf-8", "replace").split(b"\n") if words else []


def _words(content: Content, *, every: bool) -> Iterator[tuple[str, list[str]]]:
    """Where words stand, and the words. First what is short and says much. `every`: those of the text as often as they
    come, as only neighbours need them."""
    yield from _field_words(content)
    parts = content.parts[:_MAX_PARTS]
    yield "part", _structure(parts)
    yield "name", [word for part in parts if part.name for word in _of_name(part.name)]
    texts = _texts(parts)
    lower = [text.lower() for text, _ in texts]
    linked = [text for text in lower if "://" in text]
    links = list(islice(chain.from_iterable(map(_LINK.findall, linked)), _MAX_LINKS))
    if links:
        yield "link", [name for host in links for name in _of_host(host)]
    htmls = [text for text, (_, html) in zip(lower, texts, strict=True) if html]
    if htmls:
        yield "html", [mark for mark in _MARKS if any(mark in text for text in htmls)]
    shown = [_shown(text) if html else text for text, (_, html) in zip(lower, texts, strict=True)]
    text = "\n".join(shown)
    yield "", _of_text(text) if every else _of_text_once(text)


def _field_words(content: Content) -> Iterator[tuple[str, list[str]]]:
    fields = content.fields
    for name, place in _FIELDS.items():
        for value in fields.raw(name)[:2]:
            yield place, _of_field(value[:_MAX_FIELD])
    for value in fields.raw("message-id")[:1]:
        yield "id", _ADDRESS.findall(decode_header(value[:_MAX_FIELD]).lower())[:1]
    yield "field", _OURS.findall("\n".join(fields.names()[:_MAX_NAMES]))


@remember_short(1024, 200)
def _of_field(value: bytes) -> list[str]:
    """Words and addresses. Who writes again writes the same in most fields."""
    text = decode_header(value).lower()
    words = _of_text(text)
    if "@" in text:
        words += [address.group(0).replace("\n", " ") for address in _ADDRESS.finditer(text)][:4]
    return words


def _structure(parts: tuple[Part, ...]) -> list[str]:
    marks = [f"{part.media} {part.charset} {'attached' if part.attached else ''}".lower() for part in parts]
    medias = {part.media for part in parts}
    if "text/html" in medias and "text/plain" not in medias:
        marks.append("only html")
    # No word has a line end, and a message has few kinds of parts.
    return [" ".join(mark.split())[:100] for mark in dict.fromkeys(marks)]


def _of_name(name: str) -> list[str]:
    """`Invoice 7.PDF` -> words and `.pdf`."""
    lower = name[:200].lower()
    ending = lower.rpartition(".")[2] if "." in lower else ""
    return _of_text(lower) + [f".{ending}" for _ in (1,) if ending.isalnum() and len(ending) < 8]


def _of_host(host: str) -> list[str]:
    """`a.b.example.org` -> itself and the domains above, down to two labels."""
    labels = host.strip(".").split(".")[-5:]
    return [".".join(labels[start:]) for start in range(max(1, len(labels) - 1))]


def _texts(parts: tuple[Part, ...]) -> list[tuple[str, bool]]:
    """The texts that a reader is shown, and whether each is HTML, within `MAX_TEXT` together."""
    found: list[tuple[str, bool]] = []
    room = MAX_TEXT
    for part in parts:
        if room > 0 and part.media.startswith("text/") and not part.attached:
            # A character takes four octets at most.
            text = decode_text(part.octets[: room * 4], part.charset)[:room]
            room -= len(text)
            found.append((text, part.media == "text/html"))
    return found


def _shown(html: str) -> str:
    """Text out of HTML in lower case: in a time that grows with its length only, whatever it is."""
    for opening, closing in (("<!--", "-->"), ("<style", "</style"), ("<script", "</script")):
        if opening in html:
            html = _without(html, opening, closing)
    text = _TAG.sub(" ", html)
    return unescape(text).lower() if 0 < text.count("&") <= _MAX_ENTITIES else text


def _without(html: str, opening: str, closing: str) -> str:
    """What stands between these is left out; from one that is not closed on, all."""
    kept: list[str] = []
    at = 0
    while (start := html.find(opening, at)) >= 0:
        kept.append(html[at:start])
        end = html.find(closing, start + len(opening))
        if end < 0:
            return "".join(kept)
        at = end + len(closing)
    kept.append(html[at:])
    return "".join(kept)


def _of_text_once(text: str) -> list[str]:
    """Those of `_of_text`, each at least once, in the order in which they come first: of a long text twice as quick."""
    chunks = dict.fromkeys((text.translate(_BETWEEN_WORDS) if text.isascii() else text).split())
    return _of_text(" ".join(chunks))


def _of_text(text: str) -> list[str]:
    """Words of text in lower case, as often as they come; of scripts without spaces, each two neighbours."""
    if text.isascii():
        return _WORD.findall(text)
    # Letters that only look different are the same (UAX #15); some signs become many.
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text)[:MAX_TEXT]).lower()
    return _WORD.findall(text) + _TWO_SIGNS.findall(text)
