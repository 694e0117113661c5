"""Giving up root once the ports are bound, and never getting it back.

Order matters: supplementary groups, group, user; afterwards the kernel is asked to never grant anything again.
"""

import contextlib
import ctypes
import grp
import os
import pwd
import signal
from dataclasses import dataclass

from estafeta.core.errors import EstafetaError, Kind

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True, slots=True)
class Identity:
    """A system user to become."""

    name: str
    uid: int
    gid: int


def find_identity(user: str, group: str = "") -> Identity:
    """Look up names (or numbers) of a user and group. Raises EstafetaError NOT_FOUND with what to do."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise EstafetaError(
            Kind.NOT_FOUND,
            f"There is no system user {user}: make it with `useradd --system {user}`, or change `user`.",
        ) from None
    try:
        gid = entry.pw_gid if not group else int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise EstafetaError(
            Kind.NOT_FOUND,
            f"There is no system group {group}: make it with `groupadd --system {group}`, or change `group`.",
        ) from None
    return Identity(entry.pw_name, entry.pw_uid, gid)


def become(identity: Identity) -> None:
    """Become `identity` for good. Raises EstafetaError PERMISSION when that is not allowed or could be undone."""
    if os.getuid() == identity.uid and os.geteuid() == identity.uid:
        return
    try:
        os.setgroups(_groups(identity))
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
    except PermissionError:
        raise EstafetaError(
            Kind.PERMISSION, f"Only root can become the user {identity.name}: start this as root or as {identity.name}."
        ) from None
    if identity.uid != 0:
        with contextlib.suppress(PermissionError):
            os.setuid(0)
            raise EstafetaError(Kind.PERMISSION, "Privileges could be taken back after dropping them: not starting.")
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _check_code(identity)


def end_with_parent(parent_pid: int) -> bool:
    """Ask the kernel for SIGTERM when our parent dies; false when it is dead already."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent_pid


def prctl(option: int, value: int) -> bool:
    """Linux prctl(2) with one argument; false where the kernel or libc does not have it."""
    try:
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError, MemoryError):
        return False


def _check_code(identity: Identity) -> None:
    """Modules are still to be imported: say clearly when the new user cannot read them."""
    for file in (os.__file__, __file__):
        if not os.access(file, os.R_OK):
            raise EstafetaError(
                Kind.PERMISSION,
                f"The user {identity.name} cannot read the program in {os.path.dirname(file)}:"
                " install it where everyone can read it, such as /opt or /usr/local.",
            )


def _groups(identity: Identity) -> list[int]:
    return os.getgrouplist(identity.name, identity.gid)
