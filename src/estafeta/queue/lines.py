"""The lines in which destinations stand that nobody holds (column `line`).

READY lines: SHARED (several owners have work there) and one for each owner: work is due, and couriers serve these lines
in turn, so an owner with 100,000 destinations holds up nobody else. WAITING: nothing is due before `due_ms`.
PARKED_NORMAL, PARKED_HIGH: what is due is in a lane that is held, normal or high; `due_ms` is then when something of
the other lane is due, or NEVER. PARKED_OUTWARD: nothing leaves now, since a batch site is between sessions. NULL:
nothing waits there, or a courier or an operator holds it.
"""

from estafeta.queue.values import Lane

SHARED = 0
WAITING = -1
PARKED_NORMAL = -2
PARKED_HIGH = -3
PARKED_OUTWARD = -4
#: Lines of destinations that come into a READY one when their `due_ms` has come.
NOT_READY = (WAITING, PARKED_NORMAL, PARKED_HIGH)

#: No time at all.
NEVER = 1 << 62
#: Below all owners.
NO_OWNER = -(1 << 62)
# Owners are accounts, or numbers from -2**32 on.
_ABOVE = 1 << 33

#: Lanes that are sent.
OPEN = (Lane.HIGH, Lane.NORMAL)


def line_of(owner: int) -> int:
    """The line of a destination whose due work is of one owner."""
    return max(owner + _ABOVE, SHARED)
