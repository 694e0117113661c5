"""Settings of milters and of the web hook: programs of others that decide about mail."""

import re
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_scanners import AWAY, AskedOf, Away, Place, parse_place

_MIB = 1 << 20
_HOOK = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?(/[!-~]*)?")


class HookSends(StrEnum):
    """How much of a message a hook is told."""

    FACTS = "facts"
    HEADER = "header"
    PARTS = "parts"
    MESSAGE = "message"


class MilterRule(NamedTuple):
    """One milter."""

    place: Place
    seconds: int = 30
    away: Away = Away.DEFER
    asked_of: AskedOf = AskedOf.ALL


def parse_milter(line: str) -> MilterRule:
    """`PLACE [seconds=30] [away=pass|defer|reject] [for=strangers|users|all]`. ValueError."""
    place, *options = line.split() or [""]
    rule = MilterRule(parse_place(place))
    for option in options:
        name, _, value = option.partition("=")
        try:
            rule = _with_option(rule, name, value)
        except ValueError:
            raise ValueError(
                f"{option!r} is none of seconds=1 to seconds=600, away=pass, defer or reject, for=strangers, users or all"
            ) from None
    return rule


def _with_option(rule: MilterRule, name: str, value: str) -> MilterRule:
    if name == "seconds" and value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= 600:
        return rule._replace(seconds=int(value))
    if name == "away":
        return rule._replace(away=Away(value))
    if name == "for":
        return rule._replace(asked_of=AskedOf(value))
    raise ValueError(name)


class HookUrl(NamedTuple):
    """The parts of a hook's URL."""

    tls: bool
    place: Place
    path: str

    @property
    def host(self) -> str:
        """As it stands in the Host field."""
        usual = self.place.port == (443 if self.tls else 80)
        name = f"[{self.place.host}]" if ":" in self.place.host else self.place.host
        return name if usual else f"{name}:{self.place.port}"


def parse_hook_url(text: str) -> HookUrl:
    """`https://host[:port]/path`, or `http://` where nobody else listens. ValueError."""
    match = _HOOK.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a URL such as https://filter.example.org/mail")
    tls = match[1] == "https"
    port = match[3] or ("443" if tls else "80")
    return HookUrl(tls, parse_place(f"{match[2]}:{port}"), (match[4] or "/").partition("#")[0])


def _url_or_empty(text: str) -> str:
    text = text.strip()
    if text:
        parse_hook_url(text)
    return text


def _milter_line(line: str) -> str:
    line = " ".join(line.split())
    parse_milter(line)
    return line


UrlOrEmpty = Annotated[str, AfterValidator(_url_or_empty)]
MilterLine = Annotated[str, AfterValidator(_milter_line)]


class Milters(Section):
    """Milters (protocol version 6), which sendmail and Postfix use as well. docs/guides/scanners.md."""

    server_rules: tuple[MilterLine, ...] = Field(
        default=(),
        max_length=20,
        description="Milters, asked one after the other, one in a line: where it listens (a path, host:port, also "
        "inet:8891@localhost), then `seconds=30` for a whole message, `away=pass`, `defer` (unless said) or `reject`, "
        "`for=strangers`, `users` or `all` (unless said). As in `/run/opendkim/opendkim.sock away=pass for=users`.",
    )


class Hook(Section):
    """A web service that is asked about each message, with JSON. docs/guides/scanners.md."""

    url: UrlOrEmpty = Field(
        default="",
        max_length=2000,
        description="Where it is asked, as in https://filter.example.org/mail. Certificates are checked, redirections "
        "not followed. `http://` hides nothing on its way: for this machine. Empty: none.",
    )
    sends: HookSends = Field(
        default=HookSends.HEADER,
        description="What it is told: facts (client, sender, recipients, results of authentication), header (with the "
        "header), parts (with names, types, sizes and texts of the parts), message (with all of it, in base64).",
    )
    seconds: int = Field(default=10, ge=1, le=600, description="Time for one message.")
    asked_of: AskedOf = Field(default=AskedOf.STRANGERS, description="Whose mail it sees: strangers, users, all.")
    away: Away = Field(default=Away.PASS, description=f"{AWAY}, reject (554).")
    max_bytes: int = Field(
        default=10 * _MIB,
        ge=0,
        le=100 * _MIB,
        description="Of larger messages it is told no more than the header. A message in base64 needs a third more.",
    )


