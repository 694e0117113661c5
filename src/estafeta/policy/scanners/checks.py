"""The checks that ask scanners: all at stage CONTENT, at the same time as each other and as other lookups there."""

from functools import partial, reduce
from operator import or_

from estafeta.directory.settings_milters import parse_milter
from estafeta.directory.settings_model import Settings
from estafeta.policy.checks import Check, Stage, Who
from estafeta.policy.scanners import clamav, hook, milters, rspamd, spamassassin
from estafeta.policy.scanners.asking import Asker
from estafeta.policy.scanners.hook import Hook
from estafeta.policy.scanners.milters import WHO
from estafeta.policy.scanners.wire import CONNECT_SECONDS
from estafeta.policy.verdict import Verdict, deferred

# A scanner's own time ends first, so that the operator's rule for its absence applies and not the chain's.
_SPARE_SECONDS = CONNECT_SECONDS


def checks(asker: Asker, hostname: str, web_hook: Hook) -> tuple[Check, ...]:
    """One for each kind of scanner, the decisive ones first."""
    return (
        Check("clamav", Stage.CONTENT, "viruses, by ClamAV", clamav.judge_virus, partial(clamav.find_virus, asker),
              whom=lambda settings: WHO[settings.clamav.asked_of], on=lambda settings: bool(settings.clamav.server),
              seconds=lambda settings: settings.clamav.seconds + _SPARE_SECONDS, lost=_unexamined),
        Check("milters", Stage.CONTENT, "milters: decisions and fields of filters", milters.judge_outcomes,
              partial(milters.find_outcomes, asker, hostname),
              whom=_whom_milters, on=lambda settings: bool(settings.milters.server_rules),
              seconds=_seconds_of_milters, lost=_unexamined),
        Check("hook", Stage.CONTENT, "the verdict of a web service", hook.judge_hook, web_hook.find,
              whom=lambda settings: WHO[settings.hook.asked_of], on=lambda settings: bool(settings.hook.url),
              seconds=lambda settings: settings.hook.seconds + _SPARE_SECONDS, lost=_unexamined),
        Check("rspamd", Stage.CONTENT, "points of rspamd", rspamd.judge_spam,
              partial(rspamd.find_spam, asker, hostname),
              whom=lambda settings: WHO[settings.rspamd.asked_of], on=lambda settings: bool(settings.rspamd.server),
              seconds=lambda settings: settings.rspamd.seconds + _SPARE_SECONDS),
        Check("spamassassin", Stage.CONTENT, "points of SpamAssassin", spamassassin.judge_spam,
              partial(spamassassin.find_spam, asker, hostname),
              whom=lambda settings: WHO[settings.spamassassin.asked_of],
              on=lambda settings: bool(settings.spamassassin.server),
              seconds=lambda settings: settings.spamassassin.seconds + _SPARE_SECONDS),
    )  # fmt: skip


def _whom_milters(settings: Settings) -> Who:
    return reduce(or_, (WHO[parse_milter(line).asked_of] for line in settings.milters.server_rules), Who(0))


def _seconds_of_milters(settings: Settings) -> float:
    return sum(parse_milter(line).seconds + _SPARE_SECONDS for line in settings.milters.server_rules)


def _unexamined(reason: str) -> Verdict:
    """A fault of ours lets no virus in."""
    return deferred("The message could not be examined; try again later", reason)
