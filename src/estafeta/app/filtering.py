"""Filters as the command line works on them: the text in the settings, one filter put in or taken out, a trial."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.filters import Filter, find_blocks, parse_filters
from estafeta.directory.resolver import Resolver
from estafeta.mail.address import parse_address
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.filters import explain

if TYPE_CHECKING:
    from estafeta.app.stores import Site

KEY = "filters.rules"


class Trial(NamedTuple):
    """A message and what is known of its session, to try filters on."""

    message: bytes
    peer: str = "192.0.2.1"
    sender: str = ""
    recipients: tuple[str, ...] = ()
    trusted: bool = False


def stored_text(site: "Site") -> str:
    """The filters as they were written."""
    return str(site.settings.show(KEY))


def store_text(site: "Site", text: str, who: str, why: str) -> int:
    """Make these the filters; how many they are. EstafetaError INVALID with the line of what is wrong."""
    found = parse_filters(text)
    site.settings.set_values({KEY: text}, who, why)
    return len(found)


def with_filter(text: str, name: str, values: dict[str, object]) -> str:
    """The text with one more filter, in the last place."""
    lines = ["[[filter]]", f"name = {_toml(name)}", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    written = "\n".join(lines) + "\n"
    before = text.rstrip("\n")
    return f"{before}\n\n{written}" if before else written


def without_filter(text: str, name: str) -> str:
    """The text without this filter; comments of others stay. EstafetaError NOT_FOUND."""
    filters = parse_filters(text)
    blocks = find_blocks(text)
    place = next((place for place, one in enumerate(filters) if one.name == name), None)
    if place is None or len(blocks) != len(filters):
        raise EstafetaError(Kind.NOT_FOUND, f"There is no filter {name!r} that begins with [[filter]].")
    first, behind = blocks[place]
    lines = text.split("\n")
    return "\n".join([*lines[: first - 1], *lines[behind - 1 :]])


def try_filters(site: "Site", filters: Sequence[Filter], trial: Trial) -> list[tuple[Filter, str]]:
    """Which of them are about a message, with why."""
    facts = Facts(trial.peer, trusted=trial.trusted, content=Content.of(trial.message))
    facts.sender = parse_address(trial.sender) if trial.sender not in ("", "<>") else None
    resolver = Resolver(site.database, site.settings)
    resolver.poll_version()
    facts.recipients = [(one, resolver.resolve(one)) for one in map(parse_address, trial.recipients)]
    return explain(filters, facts)


def _toml(value: object) -> str:
    """JSON's form of texts, numbers and lists of them is TOML's too, but for the escape of DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
