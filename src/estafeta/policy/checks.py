"""Checks: small functions over facts that say a Verdict, in a table whose order is data.

A check has three parts. `find`, if it has one, looks something up (DNS, a scanner, what is remembered of a sender): all
lookups of a stage run at the same time, within the time of the settings. `judge` is pure: from the facts, the settings
and what was found, to verdicts. `lost` says what counts when the lookup failed or took too long.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import IntFlag, StrEnum, auto
from typing import Any, NamedTuple

from estafeta.directory.settings_model import Settings
from estafeta.policy.facts import Facts
from estafeta.policy.verdict import Verdict, passed


class Stage(StrEnum):
    """When a check is asked, in the order of a session. HEADERS and CONTENT come when the whole message is there."""

    CONNECT = "connect"
    HELO = "helo"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    HEADERS = "headers"
    CONTENT = "content"


class Who(IntFlag):
    """Of whom it is asked: strangers, networks that may relay, users who signed in, servers of ours (LMTP)."""

    STRANGERS = auto()
    NETWORKS = auto()
    USERS = auto()
    LMTP = auto()
    EVERYBODY = STRANGERS | NETWORKS | USERS | LMTP


Judge = Callable[[Facts, Settings], Sequence[Verdict]]
Find = Callable[[Facts, Settings], Awaitable[Any]]


def always(settings: Settings) -> bool:
    """A check that no setting switches off."""
    return True


def no_opinion(reason: str) -> Verdict:
    """What counts when a lookup failed, unless a check says otherwise: nothing, with the reason told."""
    return passed(reason)


class Check(NamedTuple):
    """One row of the table. `words`: what it does, for `estafeta policy show`. `on`: whether the settings want it.
    `find` leaves its result in `Facts.found[name]`. `light`: `find` mostly waits for nothing (answers that are
    remembered, a small message), so that it needs no task unless it does; all others run as tasks. `whom`: of whom it
    is asked, where settings say that in place of `who`. `seconds`: the time of its lookup, where not
    policy.lookup_seconds."""

    name: str
    stage: Stage
    words: str
    judge: Judge
    find: Find | None = None
    who: Who = Who.STRANGERS
    on: Callable[[Settings], bool] = always
    lost: Callable[[str], Verdict] = no_opinion
    light: bool = False
    whom: Callable[[Settings], Who] | None = None
    seconds: Callable[[Settings], float] | None = None
