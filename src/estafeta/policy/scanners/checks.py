"""The checks that ask scanners: all at stage CONTENT, at the same time as each other and as other lookups there."""

from functools import partial

from estafeta.directory.settings_scanners import AskedOf
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.scanners import clamav, rspamd, spamassassin
from estafeta.policy.scanners.asking import Asker
from estafeta.policy.scanners.wire import CONNECT_SECONDS
from estafeta.policy.verdict import Verdict, deferred

_WHO = {
    AskedOf.STRANGERS: Who.STRANGERS,
    AskedOf.USERS: Who.USERS | Who.NETWORKS,
    AskedOf.ALL: Who.EVERYBODY,
}
# A scanner's own time ends first, so that the operator's rule for its absence applies and not the chain's.
_SPARE_SECONDS = CONNECT_SECONDS


def checks(asker: Asker, hostname: str) -> tuple[Check, ...]:
    """One for each kind of scanner, the decisive ones first."""
    return (
        Check("clamav", Stage.CONTENT, "viruses, by ClamAV", clamav.judge_virus, partial(clamav.find_virus, asker),
              whom=lambda settings: _WHO[settings.clamav.asked_of], on=lambda settings: bool(settings.clamav.server),
              seconds=lambda settings: settings.clamav.seconds + _SPARE_SECONDS, lost=_unexamined),
        Check("rspamd", Stage.CONTENT, "points of rspamd", rspamd.judge_spam,
              partial(rspamd.find_spam, asker, hostname),
              whom=lambda settings: _WHO[settings.rspamd.asked_of], on=lambda settings: bool(settings.rspamd.server),
              seconds=lambda settings: settings.rspamd.seconds + _SPARE_SECONDS),
        Check("spamassassin", Stage.CONTENT, "points of SpamAssassin", spamassassin.judge_spam,
              partial(spamassassin.find_spam, asker, hostname),
              whom=lambda settings: _WHO[settings.spamassassin.asked_of],
              on=lambda settings: bool(settings.spamassassin.server),
              seconds=lambda settings: settings.spamassassin.seconds + _SPARE_SECONDS),
    )  # fmt: skip


def _unexamined(reason: str) -> Verdict:
    """A fault of ours lets no virus in."""
    return deferred("The message could not be examined; try again later", reason)
