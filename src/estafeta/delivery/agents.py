"""Streams to parts of ourselves: lists, and addresses that are looked up anew. One message after the other.

What an agent makes of a message is committed together with the removal of the message, so that it happens exactly once.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from estafeta.core.errors import EstafetaError
from estafeta.delivery.notice_values import Due, about_work
from estafeta.delivery.outfit import Agency
from estafeta.delivery.results import Verdicts, defer, fail, put_off
from estafeta.delivery.results import given_up as given_up_of
from estafeta.delivery.settler import Settled, Settler
from estafeta.delivery.supply import Load, Supply
from estafeta.queue.values import Destination, Trouble
from estafeta.routing.values import NextHop

if TYPE_CHECKING:
    from estafeta.delivery.courier import Courier

log = logging.getLogger("estafeta.delivery")

_AGAIN_MS = 60_000
_ERROR = "local"


class AgentStream:
    """Gives what waits for one part of ourselves to its agent."""

    def __init__(self, courier: "Courier", destination: Destination, hop: NextHop) -> None:
        self.destination = destination
        self.sent = 0
        self._courier = courier
        self._outfit = outfit = courier.outfit
        self._hop = hop
        self._supply = Supply(
            outfit.mailboxes,
            destination.destination_id,
            outfit.now_ms,
            lambda: courier.ways.lanes,
            courier.ways.max_recipients,
        )
        self._settler = Settler(
            destination.destination_id,
            courier.name,
            outfit.submit,
            outfit.now_ms,
            self._supply.settled,
            lambda records: courier.ways.recording.keep(records),
            outfit.mailboxes.database,
        )

    def more(self) -> None:
        """More came."""
        self._supply.more()

    @property
    def connections(self) -> int:
        """The place that it takes."""
        return 1

    def stop(self) -> None:
        """End behind the message that is under way."""
        self._supply.close()

    def cut(self) -> None:
        """What is done here takes no long time."""
        self.stop()

    async def give_up(self) -> None:
        """Something of ours is broken: try again later."""
        self._settler.add(Settled(trouble=Trouble(self._outfit.now_ms() + _AGAIN_MS, "internal error")))
        await self._settler.drained()

    async def run(self) -> None:
        """Until nothing waits."""
        while self._courier.may_send and (load := await self._supply.take(0)) is not None:
            await self._handle(load)
            self.sent += 1
            # One after the other: what a message made may decide about the next one.
            await self._settler.drained()
        self._supply.close()

    async def _handle(self, load: Load) -> None:
        work, judge, now_ms = load.work, self._courier.ways.judge, self._outfit.now_ms()
        if load.source is None:
            self._settler.add_verdicts(put_off(work, judge, "the message cannot be read", _ERROR, now_ms))
            return
        given_up = given_up_of(work, judge)
        if given_up is not None:
            due = await self._notices(given_up, await load.source.stored())
            self._settler.add_verdicts(given_up, due)
            # Those that are left come again, without them.
            left = [one for one in work.recipients if one.place not in given_up.done]
            self._settler.add(Settled(work._replace(recipients=tuple(left))))
            return
        agent = self._outfit.agents[self._hop.kind]
        try:
            content = await load.source.stored()
            agency = await asyncio.to_thread(agent, work, content, self._hop.key)
        except EstafetaError as error:
            self._settler.add_verdicts(put_off(work, judge, error.public, _ERROR, now_ms))
            return
        except Exception:
            # Ours, whatever it was: this message waits, others go on.
            log.exception("a message could not be handled", extra={"hop": self._hop.key})
            self._settler.add_verdicts(put_off(work, judge, "internal error: the log has it", _ERROR, now_ms))
            return
        verdicts = self._verdicts(load, agency)
        due = await self._notices(verdicts, content)
        settled = Settled(
            work,
            [*agency.done, *verdicts.done],
            verdicts.later,
            [*agency.records, *verdicts.records, *due.records],
            [*agency.made, *((made.acceptance, made.content) for made in due.made)],
            bound=True,
        )
        self._settler.add(settled)
        if agency.after is not None:
            await self._settler.drained()
            await asyncio.to_thread(agency.after)

    def _verdicts(self, load: Load, agency: Agency) -> Verdicts:
        judge, now_ms = self._courier.ways.judge, self._outfit.now_ms()
        verdicts = Verdicts(load.work)
        waiting = {one.place: one for one in load.work.recipients}
        for place, status, reason in agency.failed:
            fail(verdicts, waiting[place], judge, reason=reason, status=status)
        for place, reason in agency.put_off:
            defer(verdicts, waiting[place], judge, reason, _ERROR, now_ms)
        return verdicts

    async def _notices(self, verdicts: Verdicts, content: bytes) -> Due:
        about = about_work(verdicts.work)
        if not self._outfit.notifier.wants(about, verdicts.results):
            return Due((), ())
        return await asyncio.to_thread(
            self._outfit.notifier.make, about, verdicts.results, lambda whole: content[verdicts.work.skip :]
        )
