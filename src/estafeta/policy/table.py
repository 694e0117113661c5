"""All checks of the server in their order: the one place where it is decided what is asked before what.

Within a stage all lookups run together; the order is that of verdicts, in the journal and in the result field.
"""

from collections.abc import Callable
from dataclasses import dataclass

from estafeta.policy import (
    authentication,
    bayes_check,
    bimi_check,
    dmarc_inbox,
    filters,
    headerlimits,
    originator,
    restriction_checks,
    sender,
)
from estafeta.policy.bayes_store import BayesStore
from estafeta.policy.checks import Check
from estafeta.policy.readers import Readers
from estafeta.policy.restriction_checks import AddressBook
from estafeta.policy.restrictions import Prepared
from estafeta.policy.scanners import checks as scanners
from estafeta.policy.scanners.asking import Asker
from estafeta.policy.scanners.hook import Hook, Secret
from estafeta.policy.sender import Rewrite
from estafeta.policy.strangers import Strangers
from estafeta.trust.lookups import Lookups


@dataclass(frozen=True, slots=True)
class Tools:
    """What the checks of one worker need. `is_ours`: whether a domain is one of ours; it may ask the database."""

    resolver: Lookups
    hostname: str
    is_ours: Callable[[str], bool]
    strangers: Strangers
    readers: Readers
    addresses: AddressBook
    rewrite: Rewrite
    bayes: BayesStore
    hook_secret: Secret


def build_checks(tools: Tools) -> tuple[Check, ...]:
    """The table, to be made once for each worker."""
    rules, asker = Prepared(), Asker()
    return (
        *headerlimits.checks(),
        *restriction_checks.checks(rules, tools.readers, tools.addresses, tools.resolver),
        *authentication.checks(
            tools.resolver,
            tools.hostname,
            name_wanted=lambda facts, settings: rules(settings).wants_name(facts.peer),
        ),
        *sender.checks(tools.addresses, tools.rewrite),
        *originator.checks(tools.addresses),
        *bimi_check.checks(tools.resolver),
        *dmarc_inbox.checks(tools.is_ours),
        *bayes_check.checks(tools.bayes),
        *scanners.checks(asker, tools.hostname, Hook(asker, tools.hook_secret)),
        *tools.strangers.checks(),
        *filters.checks(),
    )
