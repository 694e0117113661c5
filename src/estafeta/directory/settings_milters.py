"""Settings of milters: filters that sendmail and Postfix use as well."""

from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_scanners import AskedOf, Away, Place, parse_place


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
                f"{option!r} is none of seconds=1 to 600, away=pass, defer or reject, for=strangers, users or all"
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


def _milter_line(line: str) -> str:
    line = " ".join(line.split())
    parse_milter(line)
    return line


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
