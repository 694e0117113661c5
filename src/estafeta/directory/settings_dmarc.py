"""Settings of DMARC: what is checked and obeyed, what is reported, and where reports of others come to."""

from enum import StrEnum

from pydantic import Field

from estafeta.directory.settings_base import Section
from estafeta.directory.settings_fields import AddressOrEmpty, HostName
from estafeta.trust.dmarcdiscovery import Discovery


class DmarcObedience(StrEnum):
    """How far the policies of other domains are obeyed."""

    REJECT = "reject"
    QUARANTINE = "quarantine"
    MARK = "mark"


class Dmarc(Section):
    """DMARC (RFC 7489, RFC 9989): domains that say what is to become of mail in their name that they did not send."""

    check: bool = Field(default=True, description="Check mail from outside, and say the result in its header.")
    obey: DmarcObedience = Field(
        default=DmarcObedience.REJECT,
        description="How far policies of others are obeyed. reject: as they ask. quarantine: what they want rejected "
        "goes to Junk. mark: only the header says it.",
    )
    trusted_sealers: tuple[HostName, ...] = Field(
        default=(),
        description="Domains of forwarders and mailing lists whose ARC seals are believed: where one of them found "
        "that DMARC passed before it changed the message, that counts (RFC 8617), unless one behind it that is not "
        "believed has changed the message again.",
    )
    discovery: Discovery = Field(
        default=Discovery.PSL,
        description="How a domain's policy and its owner are found. psl: by the Public Suffix List (RFC 7489). "
        "treewalk: by asking DNS upwards (RFC 9989 4.10).",
    )
    authserv_id: HostName = Field(
        default="",
        description="Our name in Authentication-Results; fields of others that bear it are removed. Several servers of "
        "a site have one (RFC 8601 2.5). Empty: the node's host name.",
    )
    bimi: bool = Field(
        default=False,
        description="Look up the logo (BIMI) of authors for whom DMARC vouches with an enforced policy, and say where "
        "it is in Authentication-Results, for mail programs that show logos. Neither logo nor certificate is fetched.",
    )
    reports: bool = Field(
        default=False,
        description="Count results, and send a report on each day to the domains that ask for one by mail (RFC 7489 "
        "7.2). Nothing is sent while routing.outward is off. Off until mail of reports_from passes DMARC itself: "
        "reports that do not are ignored, and make this server look bad.",
    )
    failure_reports: bool = Field(
        default=False,
        description="Report single messages that fail DMARC to the domains that ask for it (`ruf`, RFC 7489 7.3), few "
        "of each. Reports give away to whoever owns the domain in From: the header with its subject, when and "
        "from which client the message came, and what became of it here. Never the body; addresses of recipients are "
        "made unreadable. Nothing is sent while routing.outward is off.",
    )
    reports_from: AddressOrEmpty = Field(
        default="",
        description="Address that reports come from, to which questions on them are sent. Empty: postmaster at "
        "local.qualify_domain, or at the oldest domain.",
    )
    reports_address: AddressOrEmpty = Field(
        default="",
        description="Address of ours to which others send reports on our domains (`rua` in our records). They are "
        "delivered there as any other mail, and read: `estafeta dmarc show` says what they say. Empty: none are read.",
    )
    keep_reports_days: int = Field(
        default=180, ge=1, le=3650, description="For so long it is kept what reports of others say."
    )
