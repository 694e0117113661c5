"""Settings of the web hook: a web service that decides about mail."""

import re
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_scanners import AWAY, AskedOf, Away, Place, parse_place

_MIB = 1 << 20
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?(/[!-~]*)?")


class HookSends(StrEnum):
    """How much of a message a hook is told."""

    FACTS = "facts"
    HEADER = "header"
    PARTS = "parts"
    MESSAGE = "message"


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
    match = _URL.fullmatch(text.strip())
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


UrlOrEmpty = Annotated[str, AfterValidator(_url_or_empty)]


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
        description="What it is told: facts (client, sender, recipients, results of authentication), header (and the "
        "header), parts (and names, types, sizes and texts of the parts), message (header, and all of it in base64).",
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
