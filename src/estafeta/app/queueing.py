"""The queue as operators work on it: what waits and why it does, and changes in portions, whatever their number.

Works on the store, with the server running or stopped; couriers hear of changes over the bus. A portion is a commit of
its own, so an interrupted command has done a part, and can be repeated.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from enum import StrEnum
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, or_, select

from estafeta.core.backoff import RetryRules, parse_retry_rules
from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.address import Address, domain_key, parse_address
from estafeta.queue.choosing import Choice, Queued, count, find, find_places
from estafeta.queue.operating import (
    Action,
    Change,
    DestinationAction,
    DestinationChange,
    change,
    change_destinations,
    prune,
)
from estafeta.queue.overview import DestinationState, states
from estafeta.queue.tables import destinations, recipients
from estafeta.queue.values import GIVEN_UP, HELD_LANES, Lane, Place
from estafeta.routing.route import route
from estafeta.routing.table import RouteTable, build_route_table
from estafeta.routing.values import HERE, HopKind, parse_hop
from estafeta.storage.commit import Item
from estafeta.storage.contents import find_location
from estafeta.storage.packs import Packs

if TYPE_CHECKING:
    from estafeta.app.stores import Site

_PORTION = 500
_CANDIDATES = 10_000
_IN_QUARANTINE = "in quarantine; `estafeta quarantine` decides about it"

Progress = Callable[[int], None]
"""Told how many recipients have been looked at so far."""


class State(StrEnum):
    """How a recipient waits. GIVEN_UP: it goes back to its sender at the next moment."""

    ACTIVE = "active"
    DUE = "due"
    LATER = "later"
    HELD = "held"
    HELD_DESTINATION = "destination held"
    HELD_PRIORITY = "priority held"
    GIVEN_UP = "given up"


class Waits(NamedTuple):
    """A recipient that waits, how, and for what. `next_ms`: when it is tried next, 0 where nobody can say."""

    queued: Queued
    state: State
    next_ms: int
    reason: str


class Message(NamedTuple):
    """A message with those of its recipients that were asked for; never without any."""

    first: Queued
    waiting: tuple[Waits, ...]

    @property
    def ident(self) -> str:
        """As in logs."""
        return f"{self.first.entry_id:x}"


class Delayed(NamedTuple):
    """A recipient who was put off, at a destination that may be well."""

    address: str
    reason: str
    first_ms: int
    due_ms: int


class Retried(NamedTuple):
    """How many recipients are to be tried now, without those that are held; and at which destinations, held by an
    operator, that will not happen."""

    recipients: int
    held_hops: tuple[str, ...]


class Rerouted(NamedTuple):
    """What came of routing anew: how many, to where (by the key of the next hop), and who would be refused now."""

    recipients: int
    hops: dict[str, int]
    refused: tuple[tuple[str, str], ...]


class _Place(NamedTuple):
    """What matters of a destination for those who wait there."""

    retry_ms: int
    held: bool
    active: bool
    error: str


_UNTROUBLED = _Place(0, False, False, "")


class Desk:
    """The queue of an opened site. `who` does it, for the record. Blocking."""

    def __init__(self, site: "Site", who: str = "") -> None:
        self._site = site
        self._database = site.database
        self._clock = site.node.make_clock()
        self._who = who
        self._routes: RouteTable | None = None
        self._rules: RetryRules | None = None

    def now_ms(self) -> int:
        """The time of day of this node."""
        return int(self._clock() * 1000)

    # Looking

    def messages(self, choice: Choice, limit: int | None = None) -> Iterator[Message]:
        """What waits, by the time at which it came; `limit` messages at most. Row by row: a million cost no memory."""
        with self._database.read() as conn, closing(find(conn, choice)) as found:
            places, now = _places(conn, self.now_ms()), self.now_ms()
            queue = self._site.settings.current.queue
            held = {Lane.HIGH: queue.hold_high, Lane.NORMAL: queue.hold_normal}
            groups = groupby(found, key=_entry_of)
            for _, group in islice(groups, limit):
                rows = list(group)
                yield Message(rows[0], tuple(_waits(row, places, held, now) for row in rows))

    def get(self, entry_id: int) -> Message:
        """One message with all its recipients. EstafetaError NOT_FOUND."""
        for message in self.messages(Choice(entry_ids=(entry_id,))):
            return message
        raise _no_message([entry_id])

    def count(self, choice: Choice) -> tuple[int, int]:
        """How many recipients, and of how many messages. EstafetaError NOT_FOUND where one that is named is not
        there at all."""
        with self._database.read() as conn:
            if choice.entry_ids:
                there = {row.entry_id for row in find(conn, Choice(entry_ids=choice.entry_ids))}
                if missing := [one for one in choice.entry_ids if one not in there]:
                    raise _no_message(missing)
        return self.count_found(choice)

    def count_found(self, choice: Choice) -> tuple[int, int]:
        """The same, for none that is named and not there."""
        with self._database.read() as conn:
            return count(conn, choice)

    def states(self, destination: str = "", limit: int = 1000) -> list[DestinationState]:
        """Destinations that match, or all, those to be tried first in front."""
        with self._database.read() as conn:
            return states(conn, destination, limit)

    def delayed(self, state: DestinationState) -> Delayed | None:
        """One of the recipients of a destination who were put off, the next to be tried as far as that is cheap."""
        wanted = (
            select(_R.address, _R.reason, _R.first_ms, _R.due_ms)
            .where(_R.destination_id == state.destination.destination_id, _R.reason != "")
            .order_by(_R.lane, _R.owner, _R.due_ms)
            .limit(1)
        )
        with self._database.read() as conn:
            row = conn.execute(wanted).first()
        return None if row is None else Delayed._make(row)

    def retry_ms(self, state: DestinationState) -> int:
        """Before which moment a destination in trouble is not tried; 0: it is not in trouble."""
        wanted = select(_D.retry_ms).where(_D.destination_id == state.destination.destination_id)
        with self._database.read() as conn:
            return conn.execute(wanted).scalar() or 0

    def has_expired(self, state: DestinationState) -> bool:
        """Whether it has failed for longer than the rules of retry let mail wait."""
        failed_ms = state.destination.first_failed_ms
        if not failed_ms:
            return False
        if self._rules is None:
            self._rules = parse_retry_rules(self._site.settings.current.queue.retry_rules)
        name = parse_hop(state.destination.hop).name
        return self.now_ms() - failed_ms > self._rules.find(name, state.destination.error).lifetime_ms

    def content(self, message: Message) -> bytes:
        """The message as it goes out. EstafetaError NOT_FOUND, UNAVAILABLE for what is damaged."""
        location = find_location(self._database, message.first.content_id)
        if location is None:
            raise EstafetaError(Kind.NOT_FOUND, f"The content of message {message.ident} is not in the store.")
        with closing(Packs(self._site.node.data / "packs")) as packs:
            return packs.read(location)[message.first.skip :]

    # Changing what waits

    def change(self, action: Action, choice: Choice, *, value_ms: int = 0, progress: Progress | None = None) -> int:
        """Do it to all that is chosen; returns to how many recipients."""
        with self._database.read() as conn, closing(find_places(conn, choice, _PORTION)) as portions:
            return self.change_places(action, portions, value_ms=value_ms, progress=progress)

    def change_places(
        self,
        action: Action,
        portions: Iterable[tuple[Place, ...]],
        *,
        value_ms: int = 0,
        progress: Progress | None = None,
    ) -> int:
        """The same for recipients that the caller has found; each portion is a commit."""
        changed = seen = 0
        for portion in portions:
            changed += self._commit(Change(action, portion, self.now_ms(), self._who, value_ms))
            seen += len(portion)
            if progress is not None:
                progress(seen)
        return changed

    def retry(self, choice: Choice, progress: Progress | None = None) -> Retried:
        """Have all that is chosen tried now.

        What is due already is not written: only its destination forgets that it was to wait."""
        concerned = 0
        hops: set[str] = set()
        with self._database.read() as conn, closing(find(conn, choice)) as rows:
            while portion := list(islice(rows, _PORTION)):
                now = self.now_ms()
                open_ones = [row for row in portion if row.lane not in HELD_LANES]
                if not choice.entry_ids:
                    # What its sender wants sent later is not meant by "everything now".
                    open_ones = [row for row in open_ones if not (row.hop == HERE.key and row.due_ms > now)]
                late = tuple([row.place for row in open_ones if row.due_ms > now])
                hops.update(row.hop for row in open_ones)
                if late:
                    self._commit(Change(Action.RETRY, late, now, self._who))
                concerned += len(open_ones)
                if progress is not None:
                    progress(concerned)
            held = conn.execute(select(_D.hop).where(_D.held)).scalars().all()
        self.change_destinations(DestinationAction.RETRY, sorted(hops))
        return Retried(concerned, tuple(sorted(hops.intersection(held))))

    def requeue(self, choice: Choice, progress: Progress | None = None) -> Rerouted:
        """Route anew with the settings as they are now, and have it tried now. What would be refused now stays."""
        changed = seen = 0
        gone_to: dict[str, int] = {}
        refused: list[tuple[str, str]] = []
        with self._database.read() as conn, closing(find(conn, choice)) as rows:
            while portion := list(islice(rows, _PORTION)):
                hops = [self._next_hop(row, refused) for row in portion]
                for row, hop in zip(portion, hops, strict=True):
                    gone_to[hop or row.hop] = gone_to.get(hop or row.hop, 0) + 1
                places = tuple([row.place for row in portion])
                changed += self._commit(Change(Action.REROUTE, places, self.now_ms(), self._who, 0, tuple(hops)))
                seen += len(portion)
                if progress is not None:
                    progress(seen)
        return Rerouted(changed, gone_to, tuple(refused))

    # Changing destinations

    def find_hops(self, words: str, *, make: bool = False) -> list[str]:
        """The keys of the destinations that are meant by a pattern, a key, a domain or a host. `make`: one that is not
        there yet, too. EstafetaError NOT_FOUND for none: a domain whose mail goes to a server of others has none of its
        own, and that server is not taken for it."""
        found = [one.destination.hop for one in self.states(words, _CANDIDATES)]
        if found:
            return found
        hop = "" if {"*", "?"} & set(words) else self.route_domain(words)
        own = words.partition(":")[0] in list(HopKind) or hop == f"mx:{domain_key(words)}"
        if make and own:
            return [hop]
        if hop and not own:
            raise EstafetaError(
                Kind.NOT_FOUND, f"No destination is called {words}: its mail goes to {hop}. Name that, or use --domain."
            )
        raise EstafetaError(Kind.NOT_FOUND, f"Nothing waits for {words}, and nothing is remembered of it.")

    def route_domain(self, words: str) -> str:
        """The key of the next hop of mail for a domain or an address; a key is returned as it is; "" for none."""
        if words.partition(":")[0] in list(HopKind):
            return parse_hop(words).key
        try:
            address = parse_address(words) if "@" in words else Address("postmaster", domain_key(words))
        except EstafetaError:
            return ""
        hop = route(address, self._route_table()).hop
        return "" if hop is None else hop.key

    def change_destinations(self, action: DestinationAction, hops: Sequence[str], value_ms: int = 0) -> int:
        """Do it to all of them; returns how many there are."""
        found = 0
        for begin in range(0, len(hops), _PORTION):
            wanted = DestinationChange(action, tuple(hops[begin : begin + _PORTION]), self.now_ms(), value_ms)
            with self._database.write() as tx:
                found += sum(change_destinations(tx, [Item(wanted, ())]))
        return found

    def forget_older(self, before_ms: int) -> int:
        """Forget what is remembered of destinations that were not tried since and where nothing waits."""
        gone = 0
        while True:
            with self._database.write() as tx:
                [now_gone] = prune(tx, [Item(before_ms, ())])
            if not now_gone:
                return gone
            gone += now_gone

    def hold_priorities(self, lanes: Iterable[Lane], held: bool) -> None:
        """Hold or release what has a priority: settings of the site."""
        names = {Lane.HIGH: "queue.hold_high", Lane.NORMAL: "queue.hold_normal"}
        self._site.settings.set_values({names[lane]: held for lane in lanes}, self._who)

    def held_priorities(self) -> list[Lane]:
        """Those that are held now."""
        queue = self._site.settings.current.queue
        return [lane for lane, held in ((Lane.HIGH, queue.hold_high), (Lane.NORMAL, queue.hold_normal)) if held]

    def _commit(self, wanted: Change) -> int:
        with self._database.write() as tx:
            return sum(change(tx, [Item(wanted, ())]))

    def _next_hop(self, row: Queued, refused: list[tuple[str, str]]) -> str:
        """Where it goes with the settings of now; "" where it stays. What is for a list or for ourselves does stay:
        it is looked up anew in any case."""
        kind = row.hop.partition(":")[0]
        if kind not in (HopKind.MX, HopKind.HOST, HopKind.LMTP):
            return ""
        address = parse_address(row.address)
        found = route(address, self._route_table(), sender=parse_address(row.sender) if row.sender else None)
        if found.local or found.address != address:
            return HERE.key
        if found.hop is None:
            refused.append((row.address, f"{found.code} {found.status} {found.text}"))
            return ""
        return "" if found.hop.key == row.hop else found.hop.key

    def _route_table(self) -> RouteTable:
        if self._routes is None:
            settings = self._site.settings.current
            self._routes = build_route_table(settings.routing, self._site.directory.is_local_domain)
        return self._routes


def _entry_of(row: Queued) -> int:
    return row.entry_id


def _no_message(missing: Sequence[int]) -> EstafetaError:
    names = ", ".join(f"{one:x}" for one in missing[:5]) + (" ..." if len(missing) > 5 else "")
    return EstafetaError(Kind.NOT_FOUND, f"There is no message {names} in the queue.")


def _places(conn: Connection, now_ms: int) -> dict[int, _Place]:
    """The destinations that are not simply waiting for their work: tried now, held, or in trouble."""
    where = or_(_D.retry_ms > now_ms, _D.held, _D.holder != "", _D.failures > 0)
    rows = conn.execute(select(_D.destination_id, _D.retry_ms, _D.held, _D.holder, _D.error).where(where))
    return {row[0]: _Place(row[1], bool(row[2]), bool(row[3]), row[4]) for row in rows}


def _waits(row: Queued, places: dict[int, _Place], held: dict[Lane, bool], now_ms: int) -> Waits:
    place = places.get(row.destination_id, _UNTROUBLED)
    due = max(row.due_ms, place.retry_ms)
    reason = place.error or row.reason
    if row.lane is Lane.QUARANTINE:
        return Waits(row, State.HELD, 0, _IN_QUARANTINE)
    if row.lane is Lane.HELD:
        return Waits(row, State.HELD, 0, row.reason or reason)
    if place.held:
        return Waits(row, State.HELD_DESTINATION, 0, reason)
    if held[row.lane]:
        return Waits(row, State.HELD_PRIORITY, 0, reason)
    if row.expires_ms == GIVEN_UP:
        return Waits(row, State.GIVEN_UP, due, row.reason)
    if due > now_ms:
        return Waits(row, State.LATER, due, reason)
    return Waits(row, State.ACTIVE if place.active else State.DUE, due, reason)


_D, _R = destinations.c, recipients.c
