"""How many letters strangers may have sent by typing addresses into pages: each of them is mail to somebody.

Counted in the memory of one worker, in hours of its clock. The limit over all bounds the memory too.
"""

from collections.abc import Callable

from estafeta.mail.address import Address
from estafeta.net.peers import network_of

_HOUR_SECONDS = 3600
PER_ADDRESS = 3
PER_CLIENT = 10
IN_ALL = 1000


class Allowance:
    """Counts requests of the current hour. `clock`: seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends = 0.0
        self._counts: dict[str, int] = {}
        self._total = 0

    def take(self, client: str, address: Address, *, exempt: bool) -> bool:
        """Whether one more letter may go to `address` on behalf of `client` (an IP address; IPv6 counts by /64);
        counted if so. `exempt`: the client itself is not counted, it is a proxy or this machine."""
        if self._clock() >= self._ends:
            self._ends = self._clock() + _HOUR_SECONDS
            self._counts.clear()
            self._total = 0
        limits = {_person(address): PER_ADDRESS}
        if not exempt:
            limits[network_of(client)] = PER_CLIENT
        if self._total >= IN_ALL or any(self._counts.get(key, 0) >= most for key, most in limits.items()):
            return False
        self._total += 1
        for key in limits:
            self._counts[key] = self._counts.get(key, 0) + 1
        return True


def _person(address: Address) -> str:
    """Who gets it, as far as can be seen: nobody has more by writing ana+1@, ana+2@."""
    local, at, domain = address.key.rpartition("@")
    return f"{local.partition('+')[0]}{at}{domain}"
