"""The header of a message without fields that falsely claim to be ours: what is stored, and what filters are shown."""

from estafeta.directory.settings_model import Settings
from estafeta.policy.chain import who_is
from estafeta.policy.checks import Who
from estafeta.policy.facts import Facts
from estafeta.policy.resultfield import remove_results
from estafeta.trust.authresults import remove_forged


def own_name(settings: Settings, hostname: str) -> str:
    """What we are called in Authentication-Results."""
    return settings.dmarc.authserv_id or hostname


def honest_header(header: bytes, facts: Facts, settings: Settings, hostname: str) -> bytes:
    """The header section without what claims to be ours (RFC 8601 5); the same object where nothing does."""
    header = remove_forged(header, (own_name(settings, hostname), hostname))
    return remove_results(header) if who_is(facts) is Who.STRANGERS else header
