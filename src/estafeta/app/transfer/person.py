"""Whose files: the store is used as the server's user, the files outside as the person who started the command.

Started as root, the effective user alone is switched, back and forth; anyone else is one and the same for both.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from estafeta.app.config import Node
from estafeta.app.privileges import find_identity
from estafeta.storage.database import make_engine


@dataclass(frozen=True, slots=True)
class Identity:
    """Effective user and group."""

    uid: int
    gid: int

    def become(self) -> None:
        """Switch to it; the real user must be root unless it is this one already."""
        if (os.geteuid(), os.getegid()) != (self.uid, self.gid):
            os.seteuid(os.getuid())
            os.setegid(self.gid)
            os.seteuid(self.uid)


class Person:
    """`with person:` around whatever touches files outside the store."""

    def __init__(self, person: Identity, owner: Identity) -> None:
        self._person = person
        self._owner = owner
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1
        self._person.become()

    def __exit__(self, *exc: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner.become()


@contextmanager
def as_owner(node: Node) -> Iterator[Person]:
    """Be the server's user while inside, as far as we are root and there is one. One thread only."""
    person = Identity(os.geteuid(), os.getegid())
    if person.uid != 0 or not node.config.user:
        yield Person(person, person)
        return
    found = find_identity(node.config.user, node.config.group)
    owner, groups = Identity(found.uid, found.gid), os.getgroups()
    # The driver is imported now, from where perhaps only root can read.
    make_engine(node.database_url).dispose()
    os.setgroups(os.getgrouplist(found.name, found.gid))
    owner.become()
    try:
        yield Person(person, owner)
    finally:
        person.become()
        os.setgroups(groups)
