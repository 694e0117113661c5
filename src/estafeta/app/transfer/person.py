"""Whose files: the store is used as the server's user, the files outside as the person who started the command.

Started as root, the effective user alone is switched, back and forth; anyone else is one and the same for both.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from estafeta.app.config import Node
from estafeta.app.privileges import find_identity


class Person:
    """`with person:` around whatever touches files outside the store."""

    def __init__(self, uid: int, owner: int) -> None:
        self._uid = uid
        self._owner = owner
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1
        if self._owner != self._uid:
            os.seteuid(self._uid)

    def __exit__(self, *exc: object) -> None:
        self._depth -= 1
        if self._owner != self._uid and not self._depth:
            os.seteuid(self._owner)


@contextmanager
def as_owner(node: Node) -> Iterator[Person]:
    """Be the server's user while inside, as far as we are root and there is one. One thread only."""
    uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
    if uid != 0 or not node.config.user:
        yield Person(uid, uid)
        return
    identity = find_identity(node.config.user, node.config.group)
    os.setgroups(os.getgrouplist(identity.name, identity.gid))
    os.setegid(identity.gid)
    os.seteuid(identity.uid)
    try:
        yield Person(uid, identity.uid)
    finally:
        os.seteuid(uid)
        os.setegid(gid)
        os.setgroups(groups)
