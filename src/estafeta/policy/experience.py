"""What a site itself has seen of senders, domains and networks, and what that counts.

Each name that a message proves (policy.identities) has a row: sums of good and bad messages that lose half their weight
in `spam.reputation_half_life_days`. What looked fine is good only when some days have passed and nobody said otherwise
(`fresh`, then `older`): who writes a thousand messages in an hour has no better name for it. What a person says, by
moving a message into Junk or out of it, weighs more than what checks say. To whom users of the site write themselves is
known as well: `wrote_seconds`.

Points go from -3 to 3: an address counts most, then its domain, then the network. Nobody is known by what is not
proven: a forged sender neither gains by the name of another nor costs it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from estafeta.policy.identities import MAX_NAME, Identities

#: What looked fine counts as good after one to two of these.
TURN_SECONDS = 2 * 86_400
#: Points at most, for and against.
MOST_POINTS = 3.0
#: Whom a user wrote to, within this time, is no stranger.
CORRESPONDENT_SECONDS = 365 * 86_400
#: Rows that nothing was added to for so long are forgotten.
KEPT_DAYS = 180
# Evidence that there is before any: so many messages of both kinds are needed until it counts half.
_DOUBT = 4.0
# More of one kind does not count: what was good for years can turn bad in a day.
_MOST = 100.0
# Of identities: a message with ten signatures is of one sender all the same.
_MOST_DOMAINS = 4
# A person knows what a check can only guess.
_SAID_BAD, _SAID_GOOD, _JUDGED_BAD = 4.0, 4.0, 1.0
_WEIGHTS = {"a": 3.0, "d": 2.0, "n": 1.5}
# A domain of millions, and a network of many customers, speak little for one of whom nothing is known.
_GOOD_WEIGHTS = {"a": 3.0, "d": 1.0, "n": 0.5}


class Row(NamedTuple):
    """As the table has it (policy.reputationtables)."""

    name: str
    good: float = 0.0
    bad: float = 0.0
    fresh: float = 0.0
    older: float = 0.0
    turned_seconds: int = 0
    updated_seconds: int = 0
    wrote_seconds: int = 0


class Seen(NamedTuple):
    """What happened with a name since the last time: messages that looked fine, that were judged to be junk, that
    people called junk and good; `wrote`: a user wrote to it."""

    fine: int = 0
    junk: int = 0
    said_junk: int = 0
    said_good: int = 0
    wrote: bool = False

    def plus(self, other: "Seen") -> "Seen":
        """Both."""
        return Seen(
            self.fine + other.fine,
            self.junk + other.junk,
            self.said_junk + other.said_junk,
            self.said_good + other.said_good,
            self.wrote or other.wrote,
        )


def names_of(identities: Identities) -> tuple[str, ...]:
    """The names of rows that a message is counted under. What no database holds (NUL, halves of characters), and nobody
    can read, is no name."""
    names = (
        *(f"a:{address}" for address in identities.addresses),
        *(f"d:{domain[:MAX_NAME]}" for domain in identities.organizations[:_MOST_DOMAINS]),
        *((f"n:{identities.network}",) if identities.network else ()),
    )
    return tuple(filter(str.isprintable, names))


def aged(row: Row, now: int, half_life_seconds: float) -> Row:
    """The row as of now. A clock that was set back changes nothing."""
    passed = max(0, now - row.updated_seconds)
    share = 0.5 ** (passed / half_life_seconds)
    good, bad = row.good * share, row.bad * share
    fresh, older, turned = row.fresh * share, row.older * share, row.turned_seconds
    turns = (now - turned) // TURN_SECONDS
    if turns == 1:
        good, older, fresh, turned = good + older, fresh, 0.0, turned + TURN_SECONDS
    elif turns > 1:
        good, older, fresh, turned = good + older + fresh, 0.0, 0.0, now
    return row._replace(
        good=min(good, _MOST),
        bad=min(bad, _MOST),
        fresh=fresh,
        older=older,
        turned_seconds=turned,
        updated_seconds=max(now, row.updated_seconds),
    )


def counted(row: Row, seen: Seen, now: int, half_life_seconds: float) -> Row:
    """The row with what happened since."""
    row = aged(row, now, half_life_seconds)
    # What is called junk now looked fine before, and the other way round: who errs can take it back.
    fresh = max(0.0, row.fresh + seen.fine - seen.said_junk)
    bad = max(0.0, row.bad + seen.junk * _JUDGED_BAD + (seen.said_junk - seen.said_good) * _SAID_BAD)
    return row._replace(
        fresh=min(fresh, _MOST),
        good=min(row.good + seen.said_good * _SAID_GOOD, _MOST),
        bad=min(bad, _MOST),
        wrote_seconds=now if seen.wrote else row.wrote_seconds,
    )


def opinion(row: Row, now: int, half_life_seconds: float) -> float:
    """From -1, good, to 1, bad; 0 where little is known."""
    row = aged(row, now, half_life_seconds)
    return (row.bad - row.good) / (row.bad + row.good + _DOUBT)


def points(rows: Iterable[Row], now: int, half_life_seconds: float) -> float:
    """What all rows of a message come to."""
    total = 0.0
    for kind, weight in _WEIGHTS.items():
        opinions = [opinion(row, now, half_life_seconds) for row in rows if row.name.startswith(f"{kind}:")]
        if not opinions:
            continue
        worst, best = max(opinions), min(opinions)
        # Of several names of one kind the worst speaks, or the best where none is bad.
        total += worst * weight if worst > 0 else best * _GOOD_WEIGHTS[kind]
    return round(max(-MOST_POINTS, min(MOST_POINTS, total)), 2)


def is_correspondent(rows: Iterable[Row], now: int) -> bool:
    """Whether users here write to this sender themselves."""
    return any(row.name.startswith("a:") and 0 < now - row.wrote_seconds < CORRESPONDENT_SECONDS for row in rows)


def is_good(rows: Sequence[Row], now: int, half_life_seconds: float) -> bool:
    """Whether it is known, and nothing bad is: of a network more than a message or two must be known."""
    current = [aged(row, now, half_life_seconds) for row in rows]
    if any(row.bad > row.good for row in current):
        return False
    enough = {"a": 1.0, "d": 1.0, "n": 4.0}
    return any(row.good + row.older + row.fresh >= 0.9 * enough[row.name[0]] for row in current)
