"""Settings of what tells spam from mail: lists, greylisting, rates, one's own experience, rules."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_routing import checked_by
from estafeta.trust.dnsbl import MOST_POINTS, parse_dns_list


class Greylist(StrEnum):
    """Who has to come a second time."""

    OFF = "off"
    SUSPICIOUS = "suspicious"
    ALL = "all"


def _points_line(line: str) -> str:
    name, equals, points = line.replace(" ", "").partition("=")
    try:
        if not (name and equals and abs(float(points)) <= MOST_POINTS):
            raise ValueError(line)
    except ValueError:
        raise ValueError(f"{line!r} is not a name and points, such as no-date=0.5") from None
    return f"{name}={float(points):g}"


DnsListLine = Annotated[str, checked_by(parse_dns_list)]
PointsLine = Annotated[str, AfterValidator(_points_line)]


class Spam(Section):
    """What strangers' mail is judged by. Points add up; see policy.junk_score and policy.reject_score."""

    address_list_rules: tuple[DnsListLine, ...] = Field(
        default=(),
        description="DNS lists of client addresses, one in a line: the zone, answers and their points, `reject` where "
        "a listing is enough, as in `zen.spamhaus.org 127.0.0.2-3=3.5 127.0.0.4=4 127.0.0.10-11=2.5` or "
        "`list.dnswl.org 127.0.*.1=-1 127.0.*.2-3=-3`. None are asked at first: most want their terms read, none wants "
        "questions by way of a public name server, and each learns who writes to you. docs/guides/spam.md has lines.",
    )
    domain_list_rules: tuple[DnsListLine, ...] = Field(
        default=(),
        description="DNS lists of names, likewise: asked about the client's name, the name it says (HELO), and the "
        "domains of MAIL FROM and From.",
    )
    link_list_rules: tuple[DnsListLine, ...] = Field(
        default=(), description="DNS lists of names, likewise: asked about the domains that links in a message lead to."
    )
    max_links: int = Field(
        default=30, ge=1, le=200, description="Different domains of links in one message that are asked about."
    )
    greylist: Greylist = Field(
        default=Greylist.SUSPICIOUS,
        description="Who is put off at first, since what sends spam seldom comes again: off, suspicious (strangers "
        "that nothing speaks for, and something against: no name, neither SPF nor DKIM, on a list), all (all strangers "
        "that nothing speaks for). Who was good before never waits.",
    )
    greylist_seconds: int = Field(
        default=300, ge=1, le=86_400, description="How long they wait. RFC 6647 5 has one minute as the least."
    )
    greylist_days: int = Field(
        default=35,
        ge=2,
        le=366,
        description="How long it is remembered that one came again: more than a month, so "
        "that a monthly letter waits once.",
    )
    greeting_delay_seconds: float = Field(
        default=0.0,
        ge=0.0,
        le=30.0,
        description="How long strangers wait for the greeting (RFC 5321 4.3.1 has them wait). What sends spam often "
        "does not, and gets points. 0: only who is faster than we are is found out.",
    )
    reject_unknown_sender_domain: bool = Field(
        default=True,
        description="Refuse senders whose domain does not exist (550 5.1.8): no notice could reach them. Domains that "
        "exist and take no mail only get points; those that say so (null MX) are refused always (RFC 7505 4.2).",
    )
    messages_per_hour: int = Field(
        default=1000,
        ge=0,
        le=10_000_000,
        description="Messages from one network (/24, /64) of strangers; above it they are put off. Ten times as many "
        "for networks with a good name here. Each worker counts what it sees. 0 is no limit.",
    )
    recipients_per_hour: int = Field(
        default=5000, ge=0, le=100_000_000, description="Recipients, likewise. 0 is no limit."
    )
    domain_messages_per_hour: int = Field(
        default=2000,
        ge=0,
        le=10_000_000,
        description="Messages that a domain stands behind (SPF, DKIM), likewise. 0: no limit.",
    )
    unknown_recipients_percent: int = Field(
        default=50,
        ge=0,
        le=100,
        description="Share of unknown recipients, of at least 20 within the hour, from which a network is put off: "
        "someone is guessing addresses. 0 is no limit.",
    )
    reputation: bool = Field(
        default=True,
        description="Remember what came from senders, domains and networks, and let it count from -3 to 3 points.",
    )
    reputation_half_life_days: int = Field(
        default=21, ge=1, le=365, description="Time in which what is remembered counts half as much."
    )
    rules: bool = Field(default=True, description="Judge messages by the rules for headers and content.")
    points_rules: tuple[PointsLine, ...] = Field(
        default=(),
        description="Other points for rules, one in a line, as in `no-date=0.5`; 0 switches a rule off. "
        "`estafeta policy rules` names them all.",
    )
