"""Who a stored message is from, as far as it was proven when it came: read from the field that this server wrote then.

Authentication-Results of our own name are ours: those of others that claim it are taken out of what comes in (RFC 8601
5). A message without one was not judged here, and nothing is known of it.
"""

from collections.abc import Collection

from estafeta.mail.address import Address, domain_key
from estafeta.policy.content import Content
from estafeta.policy.facts import Facts
from estafeta.policy.identities import MAX_NAME, Identities, author_of, network_of
from estafeta.trust.authresults import AuthResults, MethodResult, parse_auth_results
from estafeta.trust.publicsuffix import organizational_domain

# Ours stands in front of all others.
_MOST_FIELDS = 3


def stored_identities(content: Content, authserv_ids: Collection[str]) -> Identities | None:
    """None where this server has written nothing about it."""
    ours = {domain_key(one) for one in authserv_ids}
    for value in content.fields.raw("authentication-results")[:_MOST_FIELDS]:
        results = parse_auth_results(value)
        if results is not None and domain_key(results.authserv_id) in ours:
            return _identities(content, results)
    return None


def _identities(content: Content, results: AuthResults) -> Identities:
    passed = [one for one in results.results if one.result == "pass"]
    sender = _address(next((_property(one, "smtp", "mailfrom") for one in passed if one.method == "spf"), ""))
    envelope = domain_key(sender.domain) if sender is not None else ""
    signed = [domain_key(_property(one, "header", "d")) for one in passed if one.method == "dkim"]
    domains = tuple(dict.fromkeys(filter(None, (*signed, envelope))))
    author = author_of(Facts("", content=content))
    proven = author is not None and (
        any(one.method == "dmarc" for one in passed)
        or organizational_domain(domain_key(author.domain)) in set(map(organizational_domain, domains))
    )
    client = next((_property(one, "policy", "iprev") for one in results.results if one.method == "iprev"), "")
    return Identities(
        network_of(client),
        sender.key[:MAX_NAME] if sender is not None and sender.local else "",
        author.key[:MAX_NAME] if author is not None and proven else "",
        domains,
    )


def _property(result: MethodResult, ptype: str, name: str) -> str:
    return next((one.value for one in result.properties if (one.ptype, one.name) == (ptype, name)), "")


def _address(text: str) -> Address | None:
    """An address, or a domain with an empty local part: a null sender's HELO."""
    local, _, domain = text.rpartition("@")
    return Address(local, domain) if domain else None
