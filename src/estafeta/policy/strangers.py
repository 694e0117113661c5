"""Everything that tells spam from mail, put together: the checks of strangers' mail in their order, what they ask, and
what learns from what they say. One for each worker."""

from estafeta.core.clock import Clock
from estafeta.directory.settings_source import SettingsSource
from estafeta.mailboxes.lessons import Lesson
from estafeta.mailboxes.service import Submit
from estafeta.policy import clientchecks, greylist, reputation, rules, wanted
from estafeta.policy.checks import Check
from estafeta.policy.content import Content
from estafeta.policy.dnslists import DnsListChecks, ListWatch
from estafeta.policy.experience import Seen, names_of
from estafeta.policy.experience_store import ExperienceStore
from estafeta.policy.greylist import GreylistStore
from estafeta.policy.learning import Learner
from estafeta.policy.rates import Rates
from estafeta.policy.senderlists import TOPIC, SenderLists
from estafeta.policy.storedidentities import stored_identities
from estafeta.storage.database import Database
from estafeta.trust.lookups import Lookups


class Strangers:
    """`submit`: how what is learnt is made durable; without it nothing is."""

    def __init__(
        self,
        resolver: Lookups,
        hostname: str,
        database: Database,
        settings: SettingsSource,
        submit: Submit | None,
        clock: Clock,
    ) -> None:
        self._resolver = resolver
        self._hostname = hostname
        self._settings = settings
        self._watch = ListWatch(clock)
        self._senders = SenderLists(database, clock)
        self._experience = ExperienceStore(database, submit, clock)
        self._greylist = GreylistStore(database, submit, clock)
        self._rates = Rates(self._experience, clock)

    def checks(self) -> tuple[Check, ...]:
        """The rows. What they say may wait for all others: they belong behind them."""
        return (
            *self._rates.checks(),
            *DnsListChecks(self._resolver, self._watch).checks(),
            *clientchecks.checks(self._resolver, self._hostname),
            *rules.checks(),
            *reputation.checks(self._experience),
            *wanted.checks(self._senders),
            *greylist.checks(self._greylist),
        )

    def learners(self) -> tuple[Learner, ...]:
        """What is told of every message."""
        return (
            reputation.learner(self._experience, self._settings),
            greylist.learner(self._greylist, self._settings),
            self._rates.learner(),
        )

    def taught(self, content: Content, lesson: Lesson) -> None:
        """A user moved a message into Junk or out of it."""
        settings = self._settings.current
        identities = stored_identities(content, (settings.dmarc.authserv_id or self._hostname, self._hostname))
        if identities is None or not settings.spam.reputation:
            return
        seen = Seen(said_junk=1) if lesson is Lesson.SPAM else Seen(said_good=1)
        self._experience.add(names_of(identities), seen)

    def tick(self) -> None:
        """Every second: what was learnt goes to the writer."""
        self._experience.flush(self._settings.current.spam.reputation_half_life_days)
        self._greylist.flush()

    def heard(self, topic: str) -> None:
        """A topic of the bus."""
        if topic == TOPIC:
            self._senders.forget()
