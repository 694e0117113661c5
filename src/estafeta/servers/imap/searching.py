"""Which messages of a mailbox a search key means. Synchronous; runs in a thread.

The rows of the mailbox are read once, with just the columns that the key needs, and only within the numbers that it
names; then each key narrows the list, those that cost least first, those that look into texts last.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mail.sentdate import sent_date
from estafeta.mail.threadid import thread_id
from estafeta.mailboxes import look
from estafeta.mailboxes.values import Ranges
from estafeta.protocols.imap import searchkeys as keys
from estafeta.protocols.imap.searchkeys import DateOf, SearchKey, When, has_modseq, leaves
from estafeta.search.service import TextSearch
from estafeta.search.terms import TextField, TextTerm
from estafeta.servers.imap.contentkeys import ContentKeys
from estafeta.servers.imap.objectids import email_id
from estafeta.storage.database import Database

Row = tuple[Any, ...]
Rows = list[Row]
Predicate = Callable[[Row], bool]

_DAY_MS = 86_400_000


class Scope(NamedTuple):
    """The mailbox that is searched, as its session sees it. `uids`: what sequence numbers mean, None: all that is
    there (RFC 7377, where there are no numbers). `recent_from`: first UID that is \\Recent."""

    account_id: AccountId
    mailbox_id: MailboxId
    uids: "array[int] | None"
    saved: Ranges = ()
    recent_from: int = 1 << 32


@dataclass(slots=True)
class Found:
    """UIDs, ascending (or as sorted); by UID, the MODSEQs if the key asked for one, and relevancies (RFC 6203)."""

    uids: list[int]
    modseqs: dict[int, int] = field(default_factory=dict)
    relevancy: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Searcher:
    """Searches one scope. `remembered`: for who sorts what is found. `progress(done, total)` is called now and
    then; `cancelled` is asked as often."""

    database: Database
    texts: TextSearch
    remembered: ContentKeys
    scope: Scope
    now_ms: int
    progress: Callable[[int, int], None] | None = None
    cancelled: Callable[[], bool] | None = None
    _at: dict[str, int] = field(default_factory=dict)
    _relevancy: dict[int, int] = field(default_factory=dict)

    def find(self, key: SearchKey, within: Ranges | None = None) -> Found:
        """The messages that match; `within` limits the UIDs that are looked at."""
        self._relevancy.clear()
        ranges = self._bounds(key)
        if within is not None:
            ranges = intersect(ranges, within)
        if not ranges:
            return Found([])
        wanted = tuple(dict.fromkeys(("uid", *columns_of(key))))
        self._at = {name: at for at, name in enumerate(wanted)}
        rows = look.fetch_rows(self.database, self.scope.account_id, self.scope.mailbox_id, wanted, ranges)
        rows = self._select(key, rows)
        # RFC 7162 3.1.5: then the answer says the highest MODSEQ of what was found.
        modseqs = {row[0]: row[self._at["modseq"]] for row in rows} if has_modseq(key) else {}
        return Found([row[0] for row in rows], modseqs, dict(self._relevancy))

    def _bounds(self, key: SearchKey) -> Ranges:
        """The UIDs that can match at all: those of the view, and within the sets that stand at the top of the key."""
        uids = self.scope.uids
        ranges: Ranges = ((1, (1 << 32) - 1),) if uids is None else ((uids[0], uids[-1]),) if uids else ()
        for part in dict.fromkeys(key.keys) if isinstance(key, keys.And) else (key,):
            if isinstance(part, keys.Numbers | keys.Saved):
                ranges = intersect(ranges, self._ranges(part))
        return ranges

    def _ranges(self, key: keys.Numbers | keys.Saved) -> Ranges:
        if isinstance(key, keys.Saved):
            return self.scope.saved
        uids = self.scope.uids
        if uids is None or key.uid:
            return key.numbers.resolve(uids[-1] if uids else 0 if uids is not None else (1 << 32) - 1)
        count = len(uids)
        # A number beyond the end names no message.
        pairs = [(low, min(high, count)) for low, high in key.numbers.resolve(count) if 1 <= low <= count]
        return tuple((uids[low - 1], uids[high - 1]) for low, high in pairs)

    def _select(self, key: SearchKey, rows: Rows) -> Rows:
        """The rows that match, in their order; of no interest once nobody waits for them."""
        if not rows or (self.cancelled is not None and self.cancelled()):
            return []
        match key:
            case keys.All() | keys.SaveDateSupported():
                return rows
            case keys.And(parts):
                for part in sorted(dict.fromkeys(parts), key=_cost):
                    rows = self._select(part, rows)
                return rows
            case keys.Or(left, right):
                cheap, dear = sorted((left, right), key=_cost)
                first = {row[0] for row in self._select(cheap, rows)}
                second = {row[0] for row in self._select(dear, [row for row in rows if row[0] not in first])}
                return [row for row in rows if row[0] in first or row[0] in second]
            case keys.Not(inner):
                without = {row[0] for row in self._select(inner, rows)}
                return [row for row in rows if row[0] not in without]
            case keys.Text():
                matching = self._texts(key, rows)
                return [row for row in rows if row[0] in matching]
            case _:
                return list(filter(self._predicate(key), rows))

    def _texts(self, key: keys.Text, rows: Rows) -> set[int] | dict[int, int]:
        term = TextTerm(TextField(key.field.value), key.needle, key.name)
        at = self._at["content_id"]
        pairs = [(row[0], row[at]) for row in rows]
        scope = self.scope
        if not key.fuzzy:
            return self.texts.match(scope.account_id, scope.mailbox_id, pairs, term, self.progress, self.cancelled)
        found = self.texts.match_fuzzy(scope.account_id, scope.mailbox_id, pairs, term, self.progress, self.cancelled)
        for uid, score in found.items():
            self._relevancy[uid] = max(score, self._relevancy.get(uid, 0))
        return found

    def _predicate(self, key: SearchKey) -> Predicate:
        """A test of one row for a key that needs nothing but the row."""
        at = self._at
        match key:
            case keys.Numbers() | keys.Saved():
                return _in_ranges(self._ranges(key))
            case keys.HasFlag(flag):
                flags = at["flags"]
                return lambda row: row[flags] & flag != 0
            case keys.HasKeyword(keyword):
                words, wanted = at["keywords"], keyword.lower()
                return lambda row: bool(row[words]) and wanted in row[words].lower().split()
            case keys.Recent():
                first = self.scope.recent_from
                return lambda row: row[0] >= first
            case keys.Larger(octets):
                size = at["size"]
                return lambda row: row[size] > octets
            case keys.Smaller(octets):
                size = at["size"]
                return lambda row: row[size] < octets
            case keys.ModSeq(value):
                modseq = at["modseq"]
                return lambda row: row[modseq] >= value
            case keys.Dated(which, when, day):
                return self._dated(which, when, day)
            case keys.Older(seconds):
                arrived, limit = at["internal_date_ms"], self.now_ms - seconds * 1000
                return lambda row: row[arrived] <= limit
            case keys.Younger(seconds):
                arrived, limit = at["internal_date_ms"], self.now_ms - seconds * 1000
                return lambda row: row[arrived] >= limit
            case keys.EmailId(value):
                content = at["content_id"]
                return lambda row: email_id(row[content]) == value
            case keys.ThreadId(value):
                structure, content = at["structure"], at["content_id"]
                return lambda row: thread_id(row[structure], row[content]) == value
            case _:
                raise TypeError(f"no search key: {key!r}")

    def _dated(self, which: DateOf, when: When, day: date) -> Predicate:
        if which is DateOf.SENT:
            return self._sent(when, day)
        at = self._at["save_date_ms" if which is DateOf.SAVED else "internal_date_ms"]
        # RFC 9051 6.4.4: time and zone are disregarded; INTERNALDATE is given in UTC, so the day is that of UTC.
        begin = (day - date(1970, 1, 1)).days * _DAY_MS
        low, high = {
            When.BEFORE: (-(1 << 62), begin),
            When.ON: (begin, begin + _DAY_MS),
            When.SINCE: (begin, 1 << 62),
        }[when]
        return lambda row: low <= row[at] < high

    def _sent(self, when: When, day: date) -> Predicate:
        envelope, arrived = self._at["envelope"], self._at["internal_date_ms"]
        low, high = {
            When.BEFORE: (date.min, day),
            When.ON: (day, day + timedelta(days=1) if day < date.max else day),
            When.SINCE: (day, date.max),
        }[when]

        def test(row: Row) -> bool:
            sent = sent_date(row[envelope])
            # Without a Date field the internal date stands in, as RFC 5256 2.2 has it for sorting.
            own = sent.date() if sent is not None else datetime.fromtimestamp(row[arrived] / 1000, UTC).date()
            return low <= own < high

        return test


_COLUMNS: dict[type[Any], tuple[str, ...]] = {
    keys.HasFlag: ("flags",),
    keys.HasKeyword: ("keywords",),
    keys.Text: ("content_id",),
    keys.Larger: ("size",),
    keys.Smaller: ("size",),
    keys.Older: ("internal_date_ms",),
    keys.Younger: ("internal_date_ms",),
    keys.ModSeq: ("modseq",),
    keys.EmailId: ("content_id",),
    keys.ThreadId: ("content_id", "structure"),
}
_DATE_COLUMNS = {
    DateOf.INTERNAL: ("internal_date_ms",),
    DateOf.SAVED: ("save_date_ms",),
    DateOf.SENT: ("internal_date_ms", "envelope"),
}


def columns_of(key: SearchKey) -> Iterator[str]:
    """The columns that a key looks at."""
    for leaf in leaves(key):
        yield from _DATE_COLUMNS[leaf.which] if isinstance(leaf, keys.Dated) else _COLUMNS.get(type(leaf), ())


def intersect(left: Ranges, right: Ranges) -> Ranges:
    """What is in both."""
    found, at = [], 0
    for low, high in left:
        while at < len(right) and right[at][1] < low:
            at += 1
        ahead = at
        while ahead < len(right) and right[ahead][0] <= high:
            found.append((max(low, right[ahead][0]), min(high, right[ahead][1])))
            ahead += 1
    return tuple(found)


def _in_ranges(ranges: Ranges) -> Predicate:
    lows = [low for low, _ in ranges]
    highs = [high for _, high in ranges]

    def test(row: Row) -> bool:
        at = bisect_right(lows, row[0])
        return at > 0 and row[0] <= highs[at - 1]

    return test


def _cost(key: SearchKey) -> int:
    """How dear a key is: a number, a column, something to parse, a text."""
    worst = 0
    for leaf in leaves(key):
        match leaf:
            case keys.Text():
                return 3
            case keys.ThreadId() | keys.Dated(DateOf.SENT):
                worst = max(worst, 2)
            case keys.Numbers() | keys.Saved() | keys.All() | keys.Recent():
                pass
            case _:
                worst = max(worst, 1)
    return worst
