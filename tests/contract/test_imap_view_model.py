"""Whatever is done to a mailbox, and whenever its sessions are told, each of their clients sees only what is legal.

Steps: deliver, store, expunge, copy in and move out, by nobody in particular; sessions of several styles that open,
fetch, store (silently too), enable CONDSTORE, are told something while EXPUNGE may or may not be said, and close. At
the end everybody is told everything: then every client knows the truth, which a plain model holds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import delete
from store_kit import MESSAGE, Store, to

from estafeta.core.ids import INBOX, AccountId, MailboxId
from estafeta.mailboxes import look
from estafeta.mailboxes.folders import ClaimRecent, claim_recent
from estafeta.mailboxes.tables import account_state, mailboxes, messages, subscriptions, tombstones
from estafeta.mailboxes.values import ALL
from estafeta.protocols.imap.encode import encode_flags
from estafeta.protocols.imap.view import Changed, Style, View
from estafeta.storage.tables import contents, more_refs, packs
from imap_strict import Held, StrictClient

ME = AccountId(1)
#: Enough that some changes are of more messages than the view takes out one by one.
_OTHERS = 80
_SESSIONS = 4
_TABLES = (account_state, mailboxes, messages, tombstones, subscriptions, contents, more_refs, packs)

#: UIDs are chosen among those there are; 0 stands for the oldest.
picks = st.lists(st.integers(0, 5) | st.integers(0, 100), min_size=1, max_size=6)
flags = st.integers(0, 31)
words = st.frozensets(st.sampled_from(["$Junk", "later", "Ü"]), max_size=2)
modes = st.sampled_from(["add", "remove", "replace"])
which = st.integers(0, _SESSIONS - 1)
styles = st.sampled_from(
    [
        Style(recent=True),
        Style(),
        Style(modseq=True, recent=True),
        Style(modseq=True),
        Style(modseq=True, vanished=True),
        Style(modseq=True, uid_only=True),
        Style(uid_only=True, recent=True),
        Style(modseq=True, vanished=True, uid_only=True),
    ]
)


@dataclass
class Message:
    flags: int
    words: frozenset[str]
    modseq: int

    def change(self, mode: str, flags: int, words: frozenset[str]) -> bool:
        """What STORE does; whether anything changed."""
        before = self.flags, self.words
        if mode == "remove":
            self.flags, self.words = self.flags & ~flags, self.words - words
        elif mode == "add":
            self.flags, self.words = self.flags | flags, self.words | words
        else:
            self.flags, self.words = flags, words
        return before != (self.flags, self.words)


@dataclass
class Session:
    """A view as a session of the server keeps it, and the client at its other end."""

    view: View
    style: Style
    client: StrictClient
    silent: set[int] = field(default_factory=set)


class ViewMachine(RuleBasedStateMachine):
    def __init__(self, url: str, root: Path) -> None:
        super().__init__()
        self.store = Store.open(url, root)
        with self.store.database.write() as tx:
            for table in _TABLES:
                tx.conn.execute(delete(table))
        self.truth: dict[int, Message] = {}
        self.sessions: list[Session] = []
        self.other = self.store.create(ME, "Other")
        self.store.deliver(MESSAGE, *[to(ME, self.other)] * _OTHERS)
        self.deliver(0, frozenset(), 3)

    def teardown(self) -> None:
        try:
            self.tell_all()
        finally:
            self.store.close()

    # what happens in the mailbox

    @rule(flags=flags, words=words, times=st.integers(1, 3))
    def deliver(self, flags: int, words: frozenset[str], times: int) -> None:
        places = [to(ME, flags=flags, keywords=" ".join(sorted(words)))] * times
        for done in self.store.deliver(MESSAGE, *places):
            self.truth[done.uid] = Message(flags, words, done.modseq)

    @rule(number=st.one_of(st.integers(1, 3), st.integers(1, _OTHERS)))
    def copy_in(self, number: int) -> None:
        done = self.store.copy((ME, self.other), range(1, number + 1), (ME, INBOX))
        for uid in range(done.first_uid, done.first_uid + done.count):
            self.truth[uid] = Message(0, frozenset(), done.modseq)

    @rule(chosen=picks)
    def move_out(self, chosen: list[int]) -> None:
        self.store.copy((ME, INBOX), self.chosen(chosen), (ME, self.store_of_moved()), move=True)
        self.remove(self.chosen(chosen))

    @rule(chosen=picks)
    def expunge(self, chosen: list[int]) -> None:
        self.store.expunge(ME, self.chosen(chosen))
        self.remove(self.chosen(chosen))

    @rule(first=st.integers(0, 100), number=st.integers(1, 100))
    def expunge_many(self, first: int, number: int) -> None:
        uids = sorted(self.truth)[first : first + number]
        self.store.expunge(ME, uids)
        self.remove(uids)

    @rule(chosen=picks, mode=modes, flags=flags, words=words)
    def change(self, chosen: list[int], mode: str, flags: int, words: frozenset[str]) -> None:
        self.store_flags(self.chosen(chosen), mode, flags, words)

    @rule(mode=modes, flags=flags)
    def change_all(self, mode: str, flags: int) -> None:
        self.store_flags(sorted(self.truth), mode, flags, frozenset())

    # what sessions do

    @initialize(some=st.lists(st.tuples(styles, st.booleans()), min_size=1, max_size=_SESSIONS))
    def begin(self, some: list[tuple[Style, bool]]) -> None:
        for style, lazy in some:
            self.open(style, lazy)

    @rule(which=which, style=styles, lazy=st.booleans())
    def reopen(self, which: int, style: Style, lazy: bool) -> None:
        self.sessions.remove(self.session(which))
        self.open(style, lazy)

    def open(self, style: Style, lazy: bool) -> None:
        """SELECT, and FETCH of everything unless `lazy`."""
        status = look.status(self.store.database, ME, INBOX)
        view = View(status.uid_next, status.messages, status.modseq)
        client = StrictClient(style.recent, style.modseq, style.vanished, style.uid_only, False)
        if style.recent:
            view.recent_from = 1 + self.store.group.run(claim_recent, ClaimRecent(ME, INBOX))
            view.recent_count = sum(uid >= view.recent_from for uid in self.truth)
        client.follow([b"* %d EXISTS" % view.count, b"x OK [UIDNEXT %d]" % view.uid_next])
        self.sessions.append(Session(view, style, client))
        if not lazy:
            self.fetch(-1, 1, view.count)

    @rule(which=which, may_expunge=st.booleans())
    def tell(self, which: int, may_expunge: bool) -> None:
        session = self.session(which)
        # RFC 9586 3: where nobody counts, any command will do (ImapServer.expunge_allowed).
        self.sync(session, may_expunge=may_expunge or session.style.uid_only)

    @rule(which=which, first=st.integers(1, 100), number=st.integers(1, 200))
    def fetch(self, which: int, first: int, number: int) -> None:
        session = self.session(which)
        self.load(session.view)
        self.answer(session, session.view.at(first, first + number - 1))

    @rule(which=which, chosen=picks, mode=modes, flags=flags, words=words, quiet=st.booleans(), raced=flags)
    def store_in(
        self, which: int, chosen: list[int], mode: str, flags: int, words: frozenset[str], quiet: bool, raced: int
    ) -> None:
        """STORE as servers/imap/store.py does it, .SILENT or not. `raced`: flags that others set just before."""
        session = self.session(which)
        self.load(session.view)
        there = session.view.within(*ALL[0])
        uids = sorted({there[pick % len(there)] for pick in chosen}) if there else []
        self.store_flags(uids, "add", raced, frozenset())
        before, modseq = self.store_flags(uids, mode, flags, words)
        if not quiet or before <= session.view.modseq:
            session.silent.add(modseq)
        if quiet:
            session.client.assume(uids, mode, names(encode_flags(flags, " ".join(words))))
        if not quiet or session.style.modseq:
            self.answer(session, uids, quiet=quiet)

    @rule(which=which)
    def enable_condstore(self, which: int) -> None:
        session = self.session(which)
        session.style = session.style._replace(modseq=True)
        session.client.condstore = True

    @rule()
    def tell_all(self) -> None:
        truth = {
            uid: Held(names(encode_flags(message.flags, " ".join(message.words))), message.modseq)
            for uid, message in self.truth.items()
        }
        sessions, self.sessions = self.sessions, []  # one failure is enough: `teardown` finds none
        for session in sessions:
            self.sync(session, may_expunge=True)
            session.client.check(truth)
            view = session.view
            assert view.count == len(truth)
            assert view.recent_count == sum(uid >= view.recent_from for uid in truth)
            assert view.uids is None or list(view.uids) == sorted(truth)
            assert not view.pending
        self.sessions = sessions

    # inside

    def session(self, which: int) -> Session:
        return self.sessions[which % len(self.sessions)]

    def chosen(self, chosen: Iterable[int]) -> list[int]:
        there = sorted(self.truth)
        return sorted({there[pick % len(there)] for pick in chosen}) if there else []

    def remove(self, uids: Iterable[int]) -> None:
        for uid in uids:
            del self.truth[uid]

    def store_of_moved(self) -> MailboxId:
        found = look.find_mailbox(self.store.database, ME, "Moved")
        return found.mailbox_id if found else self.store.create(ME, "Moved")

    def store_flags(self, uids: list[int], mode: str, flags: int, words: frozenset[str]) -> tuple[int, int]:
        """Change them here and there. The MODSEQ of the mailbox before, and that of the change (0: there was none)."""
        done = self.store.store(ME, uids, mode, flags, words)
        there = [self.truth[uid] for uid in uids if uid in self.truth]
        changed = [message for message in there if message.change(mode, flags, words)]
        assert done.changed == len(changed)
        for message in changed:
            message.modseq = done.modseq
        return done.before, done.modseq

    def load(self, view: View) -> None:
        if view.uids is None:
            view.load(look.view_as_of(self.store.database, ME, INBOX, view.uid_next, view.modseq))

    def answer(self, session: Session, uids: Iterable[int], *, quiet: bool = False) -> None:
        """FETCH lines with what is there now, which may be newer than the view."""
        style = session.style
        session.client.follow(
            _fetched(self.truth[uid], session.view.sequence(uid), uid, style, quiet=quiet)
            for uid in uids
            if uid in self.truth
        )

    def sync(self, session: Session, *, may_expunge: bool) -> None:
        """As `Selected.sync` does it."""
        view, style = session.view, session.style
        changes = look.changes_since(self.store.database, ME, INBOX, view.modseq)
        if changes.modseq == view.modseq and not view.pending:
            return
        changed = [Changed(*row) for row in changes.changed]
        if view.needs_uids(changed, changes.expunged, style):
            self.load(view)
        lines, delta = view.update(
            changes.modseq,
            changes.status.uid_next,
            changed,
            changes.expunged,
            style=style,
            may_expunge=may_expunge,
            silent=session.silent,
        )
        session.silent.clear()
        session.client.may_expunge = may_expunge
        there = session.client.uids
        for number, uid in delta.removed:
            assert style.uid_only or there[number - 1] in (None, uid)
        session.client.follow(_split(lines))
        session.client.may_expunge = False
        assert len(session.client.entries) == view.count == len(there) - len(delta.removed) + len(delta.added)


def names(flags: bytes) -> frozenset[str]:
    return frozenset(flags.decode().strip("()").split())


def _fetched(message: Message, number: int, uid: int, style: Style, *, quiet: bool) -> bytes:
    items = [] if quiet else [b"FLAGS " + encode_flags(message.flags, " ".join(sorted(message.words)))]
    if style.modseq:
        items.append(b"MODSEQ (%d)" % message.modseq)
    if style.uid_only:
        return b"* %d UIDFETCH (%b)" % (uid, b" ".join(items))
    return b"* %d FETCH (%b)" % (number, b" ".join([b"UID %d" % uid, *items]))


def _split(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        assert line.endswith(b"\r\n")
        yield from line.removesuffix(b"\r\n").split(b"\r\n")


def test_every_session_sees_only_what_is_legal_and_in_the_end_the_truth(database_url: str, tmp_path: Path) -> None:
    numbers = count()
    run_state_machine_as_test(
        lambda: ViewMachine(database_url, tmp_path / f"packs-{next(numbers)}"),
        settings=settings(
            max_examples=25 if database_url.startswith("sqlite") else 5,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
