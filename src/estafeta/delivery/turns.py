"""Messages in hand in the order in which they go: high lane first, and in a lane one of each owner after the other."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Owned(Protocol):
    """What has a lane and an owner."""

    @property
    def lane(self) -> int: ...

    @property
    def owner(self) -> int: ...


class HasWork(Protocol):
    """What stands in line for somebody."""

    @property
    def work(self) -> Owned: ...


Turn = TypeVar("Turn", bound=HasWork)


class Turns(Generic[Turn]):
    """Lines of owners. `take` costs the same however many there are."""

    def __init__(self) -> None:
        self._lanes: dict[int, OrderedDict[int, deque[Turn]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, one: Turn) -> None:
        """Behind the others of its owner."""
        owners = self._lanes.setdefault(one.work.lane, OrderedDict())
        owners.setdefault(one.work.owner, deque()).append(one)
        self._count += 1

    def put_back(self, one: Turn) -> None:
        """In front of all of its lane."""
        owners = self._lanes.setdefault(one.work.lane, OrderedDict())
        owners.setdefault(one.work.owner, deque()).appendleft(one)
        owners.move_to_end(one.work.owner, last=False)
        self._count += 1

    def take(self) -> Turn | None:
        """The next one."""
        for lane in sorted(self._lanes):
            owners = self._lanes[lane]
            if owners:
                owner, line = owners.popitem(last=False)
                one = line.popleft()
                if line:
                    owners[owner] = line
                self._count -= 1
                return one
        return None

    def clear(self) -> None:
        """Forget all."""
        self._lanes.clear()
        self._count = 0

    def without(self, lanes: Sequence[int]) -> list[Turn]:
        """Take out all that are in none of these lanes."""
        gone = [lane for lane in self._lanes if lane not in lanes]
        out = [one for lane in gone for line in self._lanes.pop(lane).values() for one in line]
        self._count -= len(out)
        return out
