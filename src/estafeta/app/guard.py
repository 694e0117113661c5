"""Everything of a worker that policy needs: what its checks ask, and what is learnt from what they said."""

from estafeta.policy.checks import Check
from estafeta.policy.learning import Learner, all_of
from estafeta.policy.table import Tools, build_checks
from estafeta.trust.lookups import Lookups


class Guard:
    """One for each worker."""

    def __init__(self, resolver: Lookups, hostname: str) -> None:
        self.checks: tuple[Check, ...] = build_checks(Tools(resolver, hostname))
        learners: tuple[Learner, ...] = ()
        self.learner = all_of(learners)
