"""How messages went by DMARC, as aggregate reports say it (RFC 7489 7.2): what is counted, stored and told."""

import json
from typing import NamedTuple

MAX_NAME = 255


class Signature(NamedTuple):
    """What one DKIM signature came to, in the words of RFC 8601."""

    domain: str
    selector: str
    result: str


class DmarcFacts(NamedTuple):
    """How a message went: RFC 7489 7.2. `disposition` is what was done: none, quarantine or reject; `override` why less
    than the policy asks for, in the words of RFC 7489 appendix C ("" for nothing). `dkim`, `spf`: aligned passes."""

    source_ip: str
    disposition: str
    dkim: bool
    spf: bool
    header_from: str
    envelope_from: str
    spf_domain: str
    spf_result: str
    spf_scope: str = "mfrom"
    override: str = ""
    comment: str = ""
    signatures: tuple[Signature, ...] = ()


class Tally(NamedTuple):
    """So many messages went alike."""

    facts: DmarcFacts
    messages: int


def encode_facts(facts: DmarcFacts) -> str:
    """As they are stored."""
    return json.dumps(facts)


def decode_facts(text: str) -> DmarcFacts:
    """What was stored."""
    facts = DmarcFacts._make(json.loads(text))
    return facts._replace(signatures=tuple(Signature(*one) for one in facts.signatures))
