"""Who a message is from, as far as it is proven: what is remembered of senders is remembered under these names.

An address counts only where its domain stands behind the message (SPF for MAIL FROM, an aligned DKIM signature or
DMARC for From); anybody can write any other. What nobody can forge is the network of the client.
"""

import ipaddress
from functools import lru_cache
from typing import NamedTuple, cast

from estafeta.core.ip import find_ip
from estafeta.mail.address import Address, domain_key
from estafeta.mail.headers import Mailbox
from estafeta.policy.facts import Facts
from estafeta.trust.dkim import DkimResult, DkimWord
from estafeta.trust.dmarc import DmarcOutcome, DmarcResult
from estafeta.trust.publicsuffix import organizational_domain
from estafeta.trust.spf import SpfResult
from estafeta.trust.spfrecord import SpfStatus

_MAX_SIGNATURES = 10
#: Longest name that is remembered; RFC 5321 4.5.3.1.3 has 256 octets for an address.
MAX_NAME = 320
# In `Facts.found`: the content, what they are worked out from, and they.
_KNOWN = "identities"


class Identities(NamedTuple):
    """What stands for a sender. `network`: its /24 or /64. `envelope`: MAIL FROM where SPF passed for its domain,
    `author`: the address in From where it is proven, both as keys, "" otherwise. `domains`: those that passed."""

    network: str
    envelope: str = ""
    author: str = ""
    domains: tuple[str, ...] = ()

    @property
    def organizations(self) -> tuple[str, ...]:
        """The domains that were registered, each once: who has these answers for the rest."""
        return _organizations(self.domains)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The proven addresses, each once."""
        return tuple(dict.fromkeys(filter(None, (self.author, self.envelope))))


@lru_cache(maxsize=1024)
def _organizations(domains: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(organizational_domain, domains)))


def identities_of(facts: Facts) -> Identities:
    """As far as it is known at this stage. Several ask for it of one message: worked out once from the same results."""
    found = facts.found
    basis = (facts.peer, facts.sender, found.get("spf"), found.get("dkim"), found.get("dmarc"))
    known = found.get(_KNOWN)
    if known is None or known[0] is not facts.content or known[1] != basis:
        known = found[_KNOWN] = (facts.content, basis, _identities(facts))
    return cast("Identities", known[2])


def _identities(facts: Facts) -> Identities:
    spf = spf_domain(facts)
    envelope = facts.sender.key[:MAX_NAME] if facts.sender and _is_of(facts.sender, spf) else ""
    domains = signing_domains(facts)
    if spf and spf not in domains:
        domains = (*domains, spf)
    author = author_of(facts)
    proven = author is not None and (dmarc_passed(facts) or _is_aligned(author, domains))
    return Identities(
        network_of(facts.peer), envelope, author.key[:MAX_NAME] if author is not None and proven else "", domains
    )


@lru_cache(maxsize=4096)
def network_of(peer: str) -> str:
    """The /24 or /64 of a client: what one owner mostly has as a whole, and machines of a pool share. "" for none."""
    ip = find_ip(peer)
    if ip is None:
        return ""
    return str(ipaddress.ip_network((ip.address, 24 if ip.four else 64), strict=False))


def spf_domain(facts: Facts) -> str:
    """The domain that SPF passed for, "" for none."""
    found = facts.found.get("spf")
    return found.domain if isinstance(found, SpfResult) and found.result is SpfStatus.PASS else ""


def signing_domains(facts: Facts) -> tuple[str, ...]:
    """The domains whose DKIM signatures are good for the whole message (what l= leaves out anybody can add)."""
    found = facts.found.get("dkim")
    if not isinstance(found, list | tuple):
        return ()
    passed = [one for one in found[:_MAX_SIGNATURES] if isinstance(one, DkimResult) and _is_good(one)]
    return tuple(dict.fromkeys(domain_key(one.domain) for one in passed if one.domain))


def _is_good(one: DkimResult) -> bool:
    # RFC 6376 3.6.1: who signs for a test does not want to be judged by it.
    return one.word is DkimWord.PASS and not one.unsigned_octets and not one.testing


def dmarc_passed(facts: Facts) -> bool:
    """Whether the domain in From stands behind the message."""
    found = facts.found.get("dmarc")
    return isinstance(found, DmarcResult) and found.outcome is DmarcOutcome.PASS


def authors_of(facts: Facts) -> tuple[Mailbox, ...]:
    """The mailboxes in From."""
    if facts.content is None:
        return ()
    return facts.content.authors


def author_of(facts: Facts) -> Address | None:
    """The address in From; None where there is none, or are several (RFC 5322 3.6.2 lets letters have several)."""
    authors = authors_of(facts)
    if len(authors) != 1 or not authors[0].domain:
        return None
    return Address(authors[0].local.decode("utf-8", "replace"), authors[0].domain.decode("utf-8", "replace"))


def _is_aligned(author: Address, proven: tuple[str, ...]) -> bool:
    """Whether a domain of the same owner passed (RFC 7489 3.1, relaxed): it counts also where there is no policy."""
    return organizational_domain(domain_key(author.domain)) in set(map(organizational_domain, proven))


def _is_of(sender: Address, domain: str) -> bool:
    return bool(domain) and domain_key(sender.domain) == domain
