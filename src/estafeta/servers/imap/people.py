"""What sessions of a worker remember of people: who has an address, and which identifiers mean somebody.

Answers are forgotten when the directory says that it changed. What is not remembered reads the database: call from a
thread.
"""

from collections.abc import Callable
from typing import TypeVar

from estafeta.core.ids import AccountId
from estafeta.directory.people import Person
from estafeta.directory.service import Directory

_MAX_ENTRIES = 20_000

K = TypeVar("K")
V = TypeVar("V")


class _Memory:
    """What was read since the directory changed last."""

    __slots__ = ("by_account", "by_address", "generation", "identifiers")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.by_account: dict[AccountId, Person | None] = {}
        self.by_address: dict[str, Person | None] = {}
        self.identifiers: dict[AccountId, tuple[str, ...]] = {}


class People:
    """The people of a directory."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._memory = _Memory(directory.generation)
        self._furnished: dict[AccountId, None] = {}

    def person(self, account_id: AccountId) -> Person | None:
        """The user of an account; None when there is none."""
        return _remembered(self._current().by_account, account_id, self.directory.person)

    def find(self, address: str) -> Person | None:
        """The user with this address, any of theirs."""
        return _remembered(self._current().by_address, address, self.directory.find_person)

    def identifiers(self, account_id: AccountId) -> tuple[str, ...]:
        """Every identifier of an access control list that means this user."""
        return _remembered(self._current().identifiers, account_id, self.directory.identifiers_of)

    def quota(self, account_id: AccountId) -> tuple[int, int] | None:
        """Limits in octets and messages, if they are remembered: for the event loop."""
        person = self._current().by_account.get(account_id)
        return None if person is None else (person.quota_bytes, person.quota_messages)

    def is_furnished(self, account_id: AccountId) -> bool:
        """Whether this worker knows that the account has got its first folders."""
        return account_id in self._furnished

    def furnished(self, account_id: AccountId) -> None:
        """The account has got its first folders, which never changes again."""
        _make_room(self._furnished)
        self._furnished[account_id] = None

    def _current(self) -> _Memory:
        generation = self.directory.generation
        if self._memory.generation != generation:
            self._memory = _Memory(generation)
        return self._memory


def _remembered(memory: dict[K, V], key: K, read: Callable[[K], V]) -> V:
    """What is read while the directory changes goes into a memory that nobody looks at any more."""
    if key in memory:
        return memory[key]
    value = read(key)
    _make_room(memory)
    memory[key] = value
    return value


def _make_room(memory: dict[K, V]) -> None:
    if len(memory) >= _MAX_ENTRIES:
        for old in list(memory)[: _MAX_ENTRIES // 10]:
            memory.pop(old, None)
