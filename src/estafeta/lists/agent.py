"""The agent of lists: takes what waits at the destination of a list, and says what becomes of it.

Synchronous: it reads and writes the directory, so it belongs in a thread. What it changes there (members) can be done
twice without harm; everything else is data in the result, which is committed together with the end of the work. So a
crash at any moment leaves the work undone or done once.
"""

from collections.abc import Callable

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.listnames import role_of
from estafeta.directory.model import ListRole
from estafeta.directory.service import Directory
from estafeta.directory.settings_source import SettingsSource
from estafeta.lists.bounces import take_bounce
from estafeta.lists.commands import take_confirm, take_request, take_subscribe, take_unsubscribe
from estafeta.lists.posting import expand, take_post
from estafeta.lists.values import Answer, Case, Fate, ListOutcome, ListResult, Means, Plan
from estafeta.queue.values import Work
from estafeta.routing.values import parse_hop

_PASSING = (Kind.TEMPORARY, Kind.UNAVAILABLE)


def _take_rest(means: Means, case: Case, answer: Answer) -> None:
    """The next portion of an expansion."""
    expand(means, case, answer, after=int(case.argument) if case.argument.isdecimal() else 0)


def _take_approved(means: Means, case: Case, answer: Answer) -> None:
    """A message that a moderator released."""
    expand(means, case, answer)


_WORK: dict[ListRole, Callable[[Means, Case, Answer], None]] = {
    ListRole.POST: take_post,
    ListRole.APPROVED: _take_approved,
    ListRole.NEXT: _take_rest,
    ListRole.REQUEST: take_request,
    ListRole.SUBSCRIBE: take_subscribe,
    ListRole.UNSUBSCRIBE: take_unsubscribe,
    ListRole.CONFIRM: take_confirm,
    ListRole.BOUNCES: take_bounce,
}


class ListAgent:
    """Does the work of all lists. Without state: any number of threads and workers may have one."""

    def __init__(
        self,
        *,
        directory: Directory,
        settings: SettingsSource,
        hostname: Callable[[], str],
        plan: Plan,
        new_ident: Callable[[], int],
        clock: Callable[[], float],
        own_base: Callable[[], str] = str,
    ) -> None:
        #: What the work needs; pages for subscribers need it too. `own_base`: where this server's own pages are, as
        #: `https://mx.example.org`; by default it has none.
        self.means = Means(directory.database, directory, settings, hostname, plan, new_ident, clock, own_base)

    def handle(self, work: Work, content: bytes, hop: str) -> ListResult:
        """What becomes of each recipient of `work`, which waited at `hop` (`list:ADDRESS`). `content` as it is stored,
        with what `work.skip` leaves out. Raises nothing that a message or the directory can cause."""
        answer, key = Answer(), parse_hop(hop).name
        try:
            found = self.means.directory.find_list(key)
        except EstafetaError as error:
            return ListResult(tuple(ListOutcome(one.place, Fate.LATER, text=error.public) for one in work.recipients))
        for waiting in work.recipients:
            role, argument = role_of(key, waiting.address)
            if found is None:
                answer.outcomes.append(ListOutcome(waiting.place, Fate.FAILED, "5.1.1", f"There is no list {key} here"))
            else:
                one = self._handle(role, Case(found, work, waiting, argument, content[work.skip :], content))
                answer.outcomes += one.outcomes
                answer.made += one.made
                answer.records += one.records
                answer.moderated += one.moderated
        return answer.result()

    def _handle(self, role: ListRole, case: Case) -> Answer:
        answer = Answer()
        try:
            _WORK.get(role, take_post)(self.means, case, answer)
        except EstafetaError as error:
            answer = Answer()
            if error.kind in _PASSING:
                answer.end(case, Fate.LATER, text=error.public)
            else:
                answer.refuse(case, "5.3.0", error.public)
        return answer
