"""Why a message is in Junk or not, and what is known of junk: for commands and pages.

What the checks said when it came is read from the journal (CHECKED), or from the field X-Estafeta-Result of a file;
what its words say is looked up now, so it may be more or less than it was when it came.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from sqlalchemy import select

from estafeta.app.owners import owner_of
from estafeta.app.passports import MailboxNames, read_stored
from estafeta.app.stores import Site
from estafeta.core.errors import EstafetaError, Kind
from estafeta.journal.reading import Entry, parse_wanted, read_records
from estafeta.journal.records import Code
from estafeta.journal.story import Story, summarize
from estafeta.policy.bayes import SiteWords, Totals, UserWords, deviations, points, probability
from estafeta.policy.bayes_learning import SITE
from estafeta.policy.bayes_lessons import count_waiting
from estafeta.policy.bayes_store import count_words, read_counts, read_totals
from estafeta.policy.bayes_tables import bayes_totals
from estafeta.policy.bayes_tokens import names
from estafeta.policy.content import Content
from estafeta.storage.packs import Packs

# Users who taught most, as far as they are named.
_MOST_USERS = 20
# Words that say most, for and against.
_MOST_WORDS = 12


@dataclass(frozen=True, slots=True)
class Reason:
    """What one check said. `account`: whose mailbox alone it is about, 0 for everybody."""

    check: str
    points: float
    action: str
    words: str
    account: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """A word, `subject:hello` for one of a field: how often it was in good and bad messages of the site and of the
    user, and how much it says: -0.5 certainly good, 0.5 certainly bad."""

    word: str
    says: float
    good: int
    bad: int
    own_good: int = 0
    own_bad: int = 0


@dataclass(frozen=True, slots=True)
class Learnt:
    """What words say now, to the site (account 0) or to one user. `enough`: so much was learnt that it counts."""

    account: int
    owner: str
    good: int
    bad: int
    enough: bool
    chance: float
    points: float
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`outcome`: what the checks came to, in the words of the journal or of the field; "" where no check was asked.
    `filed`: where it went. `gone`: its content is no longer here, so nothing is said of its words."""

    ident: str = ""
    outcome: str = ""
    filed: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    learnt: tuple[Learnt, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What was learnt. `judging`: the site's words count. `waiting`: lessons that are not learnt yet. `users`: those
    that taught most: address, good, bad."""

    enabled: bool
    judging: bool
    good: int
    bad: int
    least_good: int
    least_bad: int
    words: int
    waiting: int
    users: tuple[tuple[str, int, int], ...] = field(default=())


def status(site: Site) -> Status:
    """What was learnt on this site."""
    bayes = site.settings.current.bayes
    t = bayes_totals.c
    many = (t.ham + t.spam).desc()
    wanted = select(t.account_id, t.ham, t.spam).where(t.account_id != SITE).order_by(many, t.account_id)
    with site.database.read() as conn:
        totals = read_totals(conn, [SITE]).get(SITE, Totals())
        words = count_words(conn, SITE)
        rows = conn.execute(wanted.limit(_MOST_USERS)).all()
    return Status(
        bayes.enabled,
        bayes.enabled and totals.enough(bayes.least_ham, bayes.least_spam),
        totals.ham,
        totals.spam,
        bayes.least_ham,
        bayes.least_spam,
        words,
        count_waiting(site.database),
        tuple((owner_of(site, row.account_id), row.ham, row.spam) for row in rows),
    )


def explain_message(site: Site, ident: str) -> Explanation:
    """A message that came here, by its ident. EstafetaError NOT_FOUND, INVALID."""
    wanted = parse_wanted(ident)
    if not wanted.ident:
        raise EstafetaError(Kind.INVALID, f"{ident!r} is no ident: find it with 'estafeta message trace'.")
    records = read_records(site.database, wanted.ident)
    if not records:
        raise EstafetaError(Kind.NOT_FOUND, f"The journal knows no message {ident!r}.")
    story = summarize(records)
    checked = [entry for entry in records if entry.code == Code.CHECKED]
    places = _places(records)
    learnt, gone = _learnt_of(site, story, [account for account, _ in places])
    mailbox_names = MailboxNames(site.database)
    return Explanation(
        story.ident,
        "; ".join(entry.text for entry in checked),
        tuple(dict.fromkeys(mailbox_names(*place) or f"mailbox {place[1]} of account {place[0]}" for place in places)),
        tuple(reason for entry in checked for reason in _reasons(entry)),
        learnt,
        gone,
    )


def explain_content(site: Site, message: bytes, user: str = "") -> Explanation:
    """A message that is at hand, as the site sees its words, and as a user (an address) does."""
    content = Content.of(message)
    accounts = [site.directory.get_user(user).account_id] if user else []
    said = " ".join(content.fields.text("x-estafeta-result").split())
    return Explanation(outcome=said, learnt=tuple(words_of(site, content, accounts)))


def words_of(site: Site, content: Content, accounts: Sequence[int]) -> Iterator[Learnt]:
    """What the words of a message say now: for the site, and for those accounts that taught anything."""
    bayes = site.settings.current.bayes
    named = names(content, pairs=bayes.pairs)
    with site.database.read() as conn:
        known = read_totals(conn, [SITE, *accounts])
        rows = read_counts(conn, known, named)
    counts: dict[int, dict[int, tuple[int, int]]] = {account: {} for account in known}
    for account, bucket, good, bad in rows:
        counts[account][bucket] = (good, bad)
    totals, shared = known.get(SITE, Totals()), counts.get(SITE, {})
    judging = totals.enough(bayes.least_ham, bayes.least_spam)
    shared_words = SiteWords(totals, ((bucket, *both) for bucket, both in shared.items()))
    if SITE in known:
        said = deviations(list(named), shared_words)
        words = (
            Word(word, round(says, 3), *shared.get(bucket, (0, 0)))
            for (bucket, word), says in zip(named.items(), said, strict=True)
        )
        yield _learnt(site, SITE, totals, judging, said, words)
    for account in (one for one in accounts if one in known):
        own = UserWords(known[account], counts[account])
        said = deviations(list(named), shared_words if judging else None, own)
        words = (
            Word(word, round(says, 3), *shared.get(bucket, (0, 0)), *own.counts.get(bucket, (0, 0)))
            for (bucket, word), says in zip(named.items(), said, strict=True)
        )
        yield _learnt(
            site, account, own.totals, own.totals.enough(bayes.user_least_ham, bayes.user_least_spam), said, words
        )


def _learnt(
    site: Site, account: int, totals: Totals, enough: bool, said: Sequence[float], words: Iterable[Word]
) -> Learnt:
    bayes, chance = site.settings.current.bayes, probability(said)
    telling = sorted((word for word in words if word.says), key=lambda word: (-abs(word.says), word.word))
    return Learnt(
        account,
        owner_of(site, account),
        totals.ham,
        totals.spam,
        enough,
        round(chance, 4),
        points(chance, bayes.ham_points, bayes.spam_points),
        tuple(telling[:_MOST_WORDS]),
    )


def _learnt_of(site: Site, story: Story, accounts: Sequence[int]) -> tuple[tuple[Learnt, ...], bool]:
    """What the words of a stored message say, or that it is gone."""
    with closing(Packs(site.node.data / "packs")) as packs:
        try:
            content = read_stored(site.database, packs, story)
        except EstafetaError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            return (), True
    return tuple(words_of(site, Content.of(content), list(dict.fromkeys(accounts)))), False


def _places(records: Iterable[Entry]) -> list[tuple[int, int]]:
    """Account and mailbox of each delivery."""
    said = (str(entry.detail.get("mailbox") or "") for entry in records if entry.code == Code.DELIVERED_LOCAL)
    numbers = (one.split("/") for one in said)
    return [(int(one[0]), int(one[1])) for one in numbers if len(one) == 3 and all(map(str.isdecimal, one))]


def _reasons(entry: Entry) -> Iterator[Reason]:
    rows = entry.detail.get("checks")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, list) and len(row) in (4, 5):
            yield Reason(str(row[0]), float(row[1]), str(row[2]), str(row[3]), int(row[4]) if len(row) == 5 else 0)
