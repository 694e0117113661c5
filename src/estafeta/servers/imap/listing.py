"""What LIST finds: the names that a person sees, those that only stand above others, and what is said of each.

Pure: `Names` is made from what was read before (`overview`), `choose` and the lines in list.py come from it alone.
Implements RFC 9051 6.3.9, RFC 5258 (selection and return options, RECURSIVEMATCH, CHILDINFO), RFC 6154 (SPECIAL-USE),
RFC 3348.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from estafeta.core.ids import AccountId
from estafeta.mailboxes.overview import overview
from estafeta.mailboxes.sharing import effective
from estafeta.servers.imap.folders import DELIMITER, SHARED_FOLDERS, USERS, Folder, Sight
from estafeta.servers.imap.patterns import Pattern
from estafeta.servers.imap.rights import ALL_RIGHTS
from estafeta.storage.database import Database


@dataclass(frozen=True, slots=True)
class Listed:
    """A name to tell the client. `folder` None: nothing of that name is there, or it may not be seen.

    `child_info`: selection options that something below meets (RFC 5258 3.5)."""

    name: str
    folder: Folder | None
    subscribed: bool
    children: bool
    child_info: tuple[str, ...] = ()


@dataclass(slots=True)
class Names:
    """Everything that a person sees. `own`: whose special uses count."""

    own: AccountId
    folders: dict[str, Folder]
    subscribed: frozenset[str]
    parents: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name in self.folders:
            self.parents.update(above(name))

    def listed(self, name: str, child_info: tuple[str, ...] = ()) -> Listed:
        """What there is to say of a name."""
        return Listed(name, self.folders.get(name), name in self.subscribed, name in self.parents, child_info)

    def choose(self, patterns: Sequence[Pattern], selection: frozenset[str]) -> Iterator[Listed]:
        """The names that match, INBOX first, the rest by name."""
        criteria = tuple(option for option in ("SUBSCRIBED", "SPECIAL-USE") if option in selection)
        if "RECURSIVEMATCH" in selection:
            return self._recursive(patterns, criteria)
        if criteria:
            chosen = _matching(patterns, self._meeting(criteria))
        else:
            implied = self.parents - self.folders.keys()
            those = [pattern for pattern in patterns if pattern.may_be_implied]
            chosen = [*_matching(patterns, self.folders), *_matching(those, implied)]
        return (self.listed(name) for name in sorted(chosen, key=_order))

    def _meeting(self, criteria: Sequence[str]) -> list[str]:
        """The names that meet all of these selection options."""
        if criteria[0] == "SUBSCRIBED":
            names: Iterable[str] = self.subscribed
            return [name for name in names if len(criteria) == 1 or self._has_use(name)]
        return [name for name in self.folders if self._has_use(name)]

    def _has_use(self, name: str) -> bool:
        folder = self.folders.get(name)
        return folder is not None and bool(special_uses(folder, self.own))

    def _recursive(self, patterns: Sequence[Pattern], criteria: tuple[str, ...]) -> Iterator[Listed]:
        """RFC 5258 3.5: also names that do not meet the criteria themselves, if something below does that the patterns
        do not find. A name that is told says whether anything below meets the criteria."""
        meeting = self._meeting(criteria)
        found = set(_matching(patterns, meeting))
        above_any = {parent for name in meeting for parent in above(name)}
        above_hidden = {parent for name in meeting if name not in found for parent in above(name)}
        chosen = found | set(_matching(patterns, above_hidden))
        return (self.listed(name, criteria if name in above_any else ()) for name in sorted(chosen, key=_order))


def above(name: str) -> Iterator[str]:
    """The names above a name, the nearest first."""
    at = name.rfind(DELIMITER)
    while at > 0:
        yield name[:at]
        at = name.rfind(DELIMITER, 0, at)


def special_uses(folder: Folder, own: AccountId) -> list[str]:
    """RFC 6154 attributes without backslash. Those of others mean nothing to this person's mail program."""
    return folder.status.special_use.split() if folder.account_id == own else []


def read_names(database: Database, sight: Sight, *, with_others: bool = True) -> Names:
    """All names that a person sees; without those in others' namespaces if nobody asks. For threads."""
    found = overview(
        database,
        sight.account_id,
        sight.identifiers() if with_others else (),
        all_shared=with_others and sight.administrator,
    )
    folders = {one.name: Folder(one.name, sight.account_id, one, ALL_RIGHTS) for one in found.own}
    for status, entries in found.others:
        rights = effective(entries, sight.identifiers())
        if "l" in rights and sight.has_owner(status.account_id):
            name = sight.name_of(status.account_id, status.name)
            folders[name] = Folder(name, status.account_id, status, rights)
    for status in found.shared:
        name = sight.name_of(status.account_id, status.name)
        folders[name] = Folder(name, status.account_id, status, ALL_RIGHTS)
    return Names(sight.account_id, folders, found.subscriptions)


def asks_for_others(patterns: Iterable[Pattern]) -> bool:
    """Whether a pattern could match a name in others' namespaces."""
    return any(pattern.may_begin(prefix) for pattern in patterns for prefix in (USERS, SHARED_FOLDERS))


def _matching(patterns: Sequence[Pattern], names: Iterable[str]) -> list[str]:
    return [name for name in names if any(pattern.matches(name) for pattern in patterns)]


def _order(name: str) -> tuple[bool, str]:
    return name != "INBOX", name
