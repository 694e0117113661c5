"""What SORT and THREAD read out of contents, remembered by all sessions of a worker: contents never change.

Bounded by octets. For threads: several may ask at once, and at worst read the same twice.
"""

import sys
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.values import ranges_of
from estafeta.storage.database import Database

# Half of this may be of keys that were not asked for lately.
_MOST_OCTETS = 16 << 20
# What a place in a dictionary costs beside its value.
_ENTRY_OCTETS = 120
# Stored texts are looked at in portions.
_AT_ONCE = 2000
_UNKNOWN = object()


class Kind(NamedTuple):
    """A kind of key: its name, the column of `look.fetch_rows` that it is read from, and how."""

    name: str
    column: str
    make: Callable[[bytes], Any]


class Messages(NamedTuple):
    """Messages of one mailbox: ascending UIDs, and the ids of their contents in the same order."""

    account_id: AccountId
    mailbox_id: MailboxId
    uids: Sequence[int]
    content_ids: Sequence[int]


class ContentKeys:
    """Keys by kind and content id, in two generations: when the young one is full, it replaces the old one."""

    __slots__ = ("_most", "_octets", "_old", "_young")

    def __init__(self, most_octets: int = _MOST_OCTETS) -> None:
        self._most = most_octets // 2
        self._octets = 0
        self._young: dict[str, dict[int, Any]] = {}
        self._old: dict[str, dict[int, Any]] = {}

    def keys(self, database: Database, messages: Messages, kind: Kind) -> list[Any]:
        """The keys of these messages, None for one that is gone. Raises EstafetaError(INVALID) for a damaged text."""
        known = self._young.get(kind.name, {})
        found = list(map(known.get, messages.content_ids, repeat(_UNKNOWN)))
        if _UNKNOWN in found:
            self._fill(database, messages, kind, found)
        return found

    def _fill(self, database: Database, messages: Messages, kind: Kind, found: list[Any]) -> None:
        """Put the keys that are missing into `found`, out of the old generation or the store."""
        old, unread = self._old.get(kind.name, {}), []
        for at in [at for at, key in enumerate(found) if key is _UNKNOWN]:
            content_id = messages.content_ids[at]
            found[at] = key = old.get(content_id, _UNKNOWN)
            if key is _UNKNOWN:
                unread.append(at)
            else:
                self._keep(kind.name, content_id, key)
        for start in range(0, len(unread), _AT_ONCE):
            portion = unread[start : start + _AT_ONCE]
            ranges = ranges_of(messages.uids[at] for at in portion)
            texts = dict(look.fetch_rows(database, *messages[:2], ("uid", kind.column), ranges))
            for at in portion:
                text = texts.get(messages.uids[at])
                found[at] = None
                if text is not None:
                    found[at] = key = kind.make(text)
                    self._keep(kind.name, messages.content_ids[at], key)

    def _keep(self, name: str, content_id: int, key: Any) -> None:
        self._octets += _ENTRY_OCTETS + _octets(key)
        if self._octets > self._most:
            self._old, self._young, self._octets = self._young, {}, 0
        self._young.setdefault(name, {})[content_id] = key


def _octets(key: Any) -> int:
    own = sys.getsizeof(key)
    return own + sum(map(_octets, key)) if isinstance(key, (tuple, list)) else own
