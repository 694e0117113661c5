"""A page as HTML: one file, no script, no picture, nothing from elsewhere; readable on a phone and in the dark.

Everything that a page says is text and is escaped here. `SECURITY_POLICY` permits exactly what is in it.
"""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from estafeta.servers.http.texts import Texts
from estafeta.servers.http.texts_en import ENGLISH
from estafeta.servers.http.texts_es import SPANISH
from estafeta.servers.http.texts_ja import JAPANESE

TEXTS: dict[str, Texts] = {"en": ENGLISH, "es": SPANISH, "ja": JAPANESE}

_STYLE = """\
:root{color-scheme:light dark;--ink:#1d2733;--soft:#5b6672;--paper:#fff;--ground:#eef1f4;--line:#c9d0d8;--main:#0b5cad}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaee;--soft:#a3adb8;--paper:#1b222a;--ground:#11161b;--line:#46515d;\
--main:#7ab8ff}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1rem;\
background:var(--ground);color:var(--ink);font:1.0625rem/1.6 system-ui,sans-serif}
main{width:100%;max-width:32rem;background:var(--paper);border:1px solid var(--line);border-radius:.75rem;\
padding:clamp(1.25rem,5vw,2.25rem)}
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}
h1,p,a{overflow-wrap:anywhere}
p{margin:0 0 1rem}
label{display:block;font-weight:600;margin:0 0 .35rem}
input,button{width:100%;font:inherit;padding:.7rem .85rem;border-radius:.5rem;border:1px solid var(--line)}
input{border-color:var(--soft);background:var(--paper);color:var(--ink);margin:0 0 1rem}
button{cursor:pointer;background:transparent;color:var(--main);border-color:var(--main);font-weight:600}
button.main{background:var(--main);color:var(--paper)}
input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid var(--main);outline-offset:2px}
.row{display:flex;flex-wrap:wrap;gap:.75rem}
.row button{flex:1 1 10rem}
.soft{color:var(--soft);font-size:.9375rem;margin:1rem 0 0}
a{color:var(--main)}
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
#: For Content-Security-Policy: our style and forms to ourselves, and nothing else at all.
SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a form. `value` is what `act` says when it was this one; `main`: what most people want."""

    label: str
    value: str = ""
    main: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """A link below the text. `before`: words in front of it."""

    label: str
    target: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says. `buttons` make a form, which is posted to the page's own address; with `address_label` it asks
    for an e-mail address, the field `address`. `note` stands below it in small letters."""

    language: str
    title: str
    paragraphs: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    address_label: str = ""
    note: str = ""
    link: Link | None = None


def render_page(page: Page) -> bytes:
    """The whole file, UTF-8."""
    title = escape(page.title)
    parts = [
        f'<!doctype html>\n<html lang="{escape(page.language)}">\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        *(f"<p>{escape(text)}</p>\n" for text in page.paragraphs if text),
        _form(page) if page.buttons else "",
        f'<p class="soft">{escape(page.note)}</p>\n' if page.note else "",
        _link(page.link) if page.link is not None else "",
        "</main>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode("utf-8", "replace")


def error_page(language: str, status: int) -> Page:
    """The page for a status; for one without words of its own those of 404 or 500."""
    errors = TEXTS[language].errors
    title, sentence = errors.get(status) or errors[404 if status < 500 else 500]
    return Page(language, title, (sentence,))


def _form(page: Page) -> str:
    field = ""
    if page.address_label:
        field = (
            f'<label for="address">{escape(page.address_label)}</label>\n'
            '<input id="address" name="address" type="text" inputmode="email" required maxlength="320" '
            'autocomplete="email" autocapitalize="none" spellcheck="false">\n'
        )
    buttons = "".join(map(_button, page.buttons))
    return f'<form method="post">\n{field}<div class="row">{buttons}</div>\n</form>\n'


def _button(button: Button) -> str:
    named = f' name="act" value="{escape(button.value)}"' if button.value else ""
    look = ' class="main"' if button.main else ""
    return f'<button type="submit"{named}{look}>{escape(button.label)}</button>'


def _link(link: Link) -> str:
    before = f"{escape(link.before)}: " if link.before else ""
    return f'<p class="soft">{before}<a href="{escape(link.target)}">{escape(link.label)}</a></p>\n'
