"""BIMI as a check: where the logo of an author is, for Authentication-Results. It judges nothing.

DMARC is evaluated at the same time by its own check, so it is asked once more here: its answers are remembered.
"""

from collections.abc import Sequence
from functools import partial

from estafeta.directory.settings_model import Settings
from estafeta.policy.authentication import find_dmarc
from estafeta.policy.checks import Check, Stage
from estafeta.policy.facts import Facts
from estafeta.policy.verdict import Verdict
from estafeta.trust.authresults import MethodResult, Property
from estafeta.trust.bimi import SELECTOR, BimiResult, BimiStatus, find_bimi
from estafeta.trust.lookups import Lookups


def checks(resolver: Lookups) -> tuple[Check, ...]:
    """The check."""
    return (
        Check("bimi", Stage.CONTENT, "BIMI: where the logo of the author's domain is", _judge,
              partial(_find, resolver), on=lambda settings: settings.dmarc.check and settings.dmarc.bimi, light=True),
    )  # fmt: skip


async def _find(resolver: Lookups, facts: Facts, settings: Settings) -> BimiResult:
    # Only what passes counts: sampling does not matter.
    return await find_bimi(await find_dmarc(resolver, lambda: 0.0, facts, settings), resolver)


def _judge(facts: Facts, settings: Settings) -> Sequence[Verdict]:
    return ()


def bimi_words(facts: Facts) -> tuple[MethodResult, ...]:
    """For Authentication-Results, where it was looked up."""
    found = facts.found.get("bimi")
    if not isinstance(found, BimiResult) or found.status is BimiStatus.SKIPPED:
        return ()
    properties: tuple[Property, ...] = ()
    if found.domain:
        properties = (Property("header", "d", found.domain), Property("header", "selector", SELECTOR))
    if found.status is BimiStatus.PASS:
        # No certificate was looked at: nobody vouches for the logo.
        properties += (Property("policy", "authority", "none"),)
        for name, uri in (("authority-uri", found.evidence), ("indicator-uri", found.location)):
            properties += (Property("policy", name, uri),) if uri else ()
    return (MethodResult("bimi", str(found.status), found.reason, properties),)
