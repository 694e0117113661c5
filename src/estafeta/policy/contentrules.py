"""Rules for what a message shows, links to and brings along: functions from a `Case` to what was found, or ""."""

import re

from estafeta.policy.headerrules import Case
from estafeta.policy.links import is_address, mixes_scripts, said_place
from estafeta.policy.parts import Archive
from estafeta.policy.phrases import MONEY, SALES, Phrases, find_phrases, read_phrases
from estafeta.trust.publicsuffix import organizational_domain

# What Windows, macOS and Office run when it is opened.
_RUNS = frozenset(
    (
        *("ade", "adp", "apk", "app", "appx", "bas", "bat", "chm", "cmd", "com", "cpl", "dll", "docm", "dotm", "exe"),
        *("hlp", "hta", "inf", "ins", "iso", "img", "isp", "jar", "js", "jse", "lnk", "mde", "msc", "msi", "msix"),
        *("msp", "mst", "pif", "pptm", "ps1", "reg", "scf", "scr", "sct", "shb", "sys", "vb", "vbe", "vbs", "vhd"),
        *("vhdx", "wsc", "wsf", "wsh", "xll", "xlsm", "xltm"),
    )
)
# What people are used to open.
_LOOKS = frozenset(
    (
        *("doc", "docx", "gif", "htm", "html", "jpeg", "jpg", "mp3", "mp4", "pdf", "png", "ppt", "pptx", "rtf"),
        *("txt", "xls", "xlsx", "zip"),
    )
)
# Many spaces push the end of a name out of sight.
_HIDES = re.compile(r"\s{10,}")
_HTML_FILE = re.compile(r"\.(?:s?html?|xht|svg)\Z", re.IGNORECASE)
_FEW_WORDS = 25
# Preview lines of letters are hidden and long; more hidden than seen is for filters.
_HIDDEN_LEAST = 600
_MONEY = read_phrases(MONEY)
_SALES = read_phrases(SALES)


def link_elsewhere(case: Case) -> str:
    """A link whose words name one host and that leads to another: what phishing is made of."""
    for link in case.reading.links:
        said = said_place(link.words)
        if said and link.host and organizational_domain(said) != organizational_domain(link.host):
            return f"a link says {said} and leads to {link.host}"
    return ""


def link_to_address(case: Case) -> str:
    """A link to a number, as in http://192.0.2.1/."""
    found = next((link.host for link in case.reading.links if link.host and is_address(link.host)), "")
    return f"a link to {found}" if found else ""


def link_with_user(case: Case) -> str:
    """A link with a name before `@` that looks like a host: http://bank.example@192.0.2.1/."""
    found = next((link for link in case.reading.links if "." in link.user), None)
    return f"a link that begins with {found.user[:60]}@ and leads to {found.host}" if found else ""


def link_looks_alike(case: Case) -> str:
    """A host in letters that look like others."""
    found = next(filter(None, (mixes_scripts(link.host) for link in case.reading.links)), "")
    return f"a link to {found}, in letters of another script" if found else ""


def only_html(case: Case) -> str:
    """No text for who does not show HTML."""
    return "only HTML" if case.reading.has_html and not case.reading.has_plain else ""


def only_pictures(case: Case) -> str:
    """Pictures and a link, and hardly a word."""
    reading = case.reading
    if not (reading.pictures or reading.images) or not reading.links or not reading.has_html:
        return ""
    words = len(reading.seen.split()) + len(reading.plain.split())
    return "pictures and a link, and hardly a word" if words < _FEW_WORDS else ""


def hidden_text(case: Case) -> str:
    """More text that is not seen than text that is."""
    reading = case.reading
    too_much = reading.hidden > _HIDDEN_LEAST and reading.hidden > len(reading.seen)
    return "more hidden text than text" if too_much else ""


def asks_for_input(case: Case) -> str:
    """A form within a message."""
    return "a form to fill in" if case.reading.forms else ""


def brings_program(case: Case) -> str:
    """A file that runs when it is opened."""
    found = next((name for name in case.reading.files if _endings(name)[-1:] and _endings(name)[-1] in _RUNS), "")
    return f"{_short(found)} can run" if found else ""


def hides_program(case: Case) -> str:
    """A file that runs and looks as if it did not: invoice.pdf.exe."""
    for name in case.reading.files:
        ends = _endings(name)
        if ends and ends[-1] in _RUNS and (set(ends[:-1]) & _LOOKS or _HIDES.search(name)):
            return f"{_short(name)} can run and looks as if it could not"
    return ""


def locked_archive(case: Case) -> str:
    """An archive that only its reader can look into."""
    if case.facts.content is None:
        return ""
    found = next((part for part in case.facts.content.parts if part.archive is Archive.ENCRYPTED), None)
    return f"{_short(found.name)} is encrypted" if found else ""


def brings_page(case: Case) -> str:
    """A page of HTML as a file, with whatever script."""
    found = next(filter(_HTML_FILE.search, case.reading.files), "")
    return f"{_short(found)} is a page" if found else ""


def beyond_limits(case: Case) -> str:
    """More than can be looked at (policy.parts)."""
    beyond = case.facts.content.parts.beyond if case.facts.content is not None else ()
    return f"not all of it could be looked at: {', '.join(beyond)}" if beyond else ""


def advance_fee(case: Case) -> str:
    """Two phrases of those who have millions to share."""
    return _phrases(case, _MONEY, 2)


def much_advance_fee(case: Case) -> str:
    """Three of them: points besides."""
    return _phrases(case, _MONEY, 3)


def hard_selling(case: Case) -> str:
    """Two phrases of those who sell what nobody asked for."""
    return _phrases(case, _SALES, 2)


def much_hard_selling(case: Case) -> str:
    """Three of them: points besides."""
    return _phrases(case, _SALES, 3)


def _phrases(case: Case, phrases: Phrases, least: int) -> str:
    found = find_phrases(phrases, case.words)
    return f"says {', '.join(found[:6])}" if len(found) >= least else ""


def _endings(name: str) -> list[str]:
    """`pdf`, `exe` of `invoice.pdf   .exe`; what is before the first dot is none."""
    return [part.strip().lower() for part in name.strip(" .").split(".")[1:]]


def _short(name: str) -> str:
    return name[-60:] or "a file"
