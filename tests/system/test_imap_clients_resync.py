"""A client that resyncs by CONDSTORE and QRESYNC (RFC 7162) has what the server has, and was told no more than that."""

import random
import re
from collections.abc import Iterator

import pytest
from imap_raw import Mirror, RawSession, raw_session
from imap_site import Site, letter

_CHANGES = ("append", "flag", "unflag", "keyword", "expunge", "move out", "move in")


@pytest.fixture
def busy(site: Site) -> Iterator["Busy"]:
    """Another session of the same user."""
    with raw_session(site) as session:
        session.do("CREATE Other")
        yield Busy(session)


class Busy:
    """Changes INBOX at random, always in the same way."""

    def __init__(self, session: RawSession) -> None:
        self.session = session
        self._random = random.Random(7)
        self._appended = 0
        self.append(30)

    def append(self, count: int) -> None:
        for _ in range(count):
            self._appended += 1
            self.session.append("INBOX", letter(f"m{self._appended}"), self._random.choice(["()", "(\\Seen)"]))

    def change(self, count: int) -> None:
        """Some changes of every kind."""
        for kind in self._random.choices(_CHANGES, k=count):
            self.session.do("SELECT INBOX")
            some = self._some()
            match kind:
                case "append":
                    self.append(self._random.randrange(1, 4))
                case "flag":
                    self.session.do(f"UID STORE {some} +FLAGS (\\Flagged \\Answered)")
                case "unflag":
                    self.session.do(f"UID STORE {some} -FLAGS.SILENT (\\Flagged \\Seen)")
                case "keyword":
                    self.session.do(f"UID STORE {some} FLAGS ($Label{self._random.randrange(4)} \\Seen)")
                case "expunge":
                    self.session.do(f"UID STORE {some} +FLAGS (\\Deleted)")
                    self.session.do(f"UID EXPUNGE {some}")
                case "move out":
                    self.session.do(f"UID MOVE {some} Other")
                case "move in":
                    self.session.do("SELECT Other")
                    self.session.command("UID MOVE 1:* INBOX")
        self.session.do("UNSELECT")

    def truth(self) -> dict[int, frozenset[str]]:
        """Flags by UID, read anew."""
        mirror = Mirror()
        mirror.follow(self.session.do("EXAMINE INBOX"))
        mirror.follow(self.session.do("UID FETCH 1:* (FLAGS)"))
        self.session.do("UNSELECT")
        return mirror.flags

    def _some(self) -> str:
        uids = sorted(self.truth())
        self.session.do("SELECT INBOX")
        if not uids:
            self.append(3)
            return "1:*"
        return ",".join(str(uid) for uid in sorted(self._random.sample(uids, min(len(uids), 3))))


@pytest.mark.parametrize("known", ["", " 1:{top}", " {uids}"], ids=["no UIDs", "all UIDs", "the UIDs it has"])
def test_resync_by_select(site: Site, busy: Busy, known: str) -> None:
    mirror = Mirror()
    with raw_session(site) as session:
        mirror.follow(session.do("SELECT INBOX (CONDSTORE)"))
        mirror.follow(session.do("UID FETCH 1:* (FLAGS)"))
    for _ in range(6):
        before = dict(mirror.flags)
        busy.change(4)
        truth = busy.truth()
        with raw_session(site) as session:
            session.do("ENABLE QRESYNC")
            resync(session, mirror, known.format(top=max(before), uids=",".join(map(str, sorted(before)))))
        assert mirror.flags == truth
        assert {uid for uid in truth if before.get(uid) != truth[uid]} <= mirror.fetched <= truth.keys()
        assert before.keys() - truth.keys() <= mirror.vanished
        assert not mirror.vanished & truth.keys()
        assert len(mirror.fetched) < len(truth), "only what changed is sent"


def resync(session: RawSession, mirror: Mirror, known: str) -> None:
    """SELECT with what the client knows. New messages come as FETCH too: they changed since (RFC 7162 3.2.5.1)."""
    untagged = session.do(f"SELECT INBOX (QRESYNC ({mirror.uidvalidity} {mirror.modseq}{known}))")
    mirror.forget_news()
    exists = next(int(line.split()[1]) for line in untagged if line.endswith(" EXISTS"))
    changes = [line for line in untagged if "VANISHED" in line or " FETCH " in line]
    vanished = [line for line in changes if "VANISHED" in line]
    assert changes[: len(vanished)] == vanished, "VANISHED comes first (RFC 7162 3.2.5.1)"
    assert all("(EARLIER)" in line for line in vanished)
    mirror.sequence = [None] * exists
    mirror.follow(line for line in untagged if not line.endswith(" EXISTS"))
    new = f"UID FETCH {max(mirror.flags, default=0) + 1}:* (FLAGS)"
    mirror.follow(session.do(new) if len(mirror.flags) < exists else [])


@pytest.mark.parametrize("enable", ["", "ENABLE CONDSTORE", "ENABLE QRESYNC"])
def test_a_session_that_stays(site: Site, busy: Busy, enable: str) -> None:
    mirror = Mirror()
    with raw_session(site) as session:
        if enable:
            session.do(enable)
        mirror.follow(session.do("SELECT INBOX"))
        mirror.follow(session.do("FETCH 1:* (UID FLAGS)"))
        for _ in range(8):
            busy.change(3)
            untagged = session.do("NOOP")
            assert not any("EARLIER" in line for line in untagged)
            assert any("VANISHED" in line for line in untagged) <= (enable == "ENABLE QRESYNC")
            assert any(line.endswith(" EXPUNGE") for line in untagged) <= (enable != "ENABLE QRESYNC")
            assert any("MODSEQ" in line for line in untagged) <= bool(enable)
            mirror.follow(untagged)
            if None in mirror.sequence:
                mirror.follow(session.do(f"FETCH {mirror.sequence.index(None) + 1}:* (UID FLAGS)"))
            assert mirror.flags == busy.truth()
            assert mirror.sequence == sorted(mirror.flags)


def test_conditional_store(site: Site, busy: Busy) -> None:
    with raw_session(site) as session:
        mirror = Mirror()
        mirror.follow(session.do("SELECT INBOX (CONDSTORE)"))
        busy.session.do("SELECT INBOX")
        busy.session.do("UID STORE 2,4 +FLAGS (\\Flagged)")
        reply = session.command(f"UID STORE 1:5 (UNCHANGEDSINCE {mirror.modseq}) +FLAGS.SILENT ($Done)")
        assert re.match(r"OK \[MODIFIED 2,4\]", reply.final)
        fetched = [line for line in reply.untagged if " FETCH " in line and "$Done" in line]
        assert all("MODSEQ" in line for line in reply.untagged if " FETCH " in line)
        assert len(fetched) <= 3
        changed = session.do(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {mirror.modseq})")
        assert {uid for line in changed for uid in map(int, re.findall(r"\bUID (\d+)", line))} == {1, 2, 3, 4, 5}
        (found,) = session.do(f"UID SEARCH MODSEQ {mirror.modseq + 1}")
        assert re.fullmatch(r"\* SEARCH 1 2 3 4 5 \(MODSEQ \d+\)", found)
        (status,) = session.do("STATUS Other (HIGHESTMODSEQ)")
        assert re.search(r"HIGHESTMODSEQ \d+", status)


def test_changed_since_with_vanished(site: Site, busy: Busy) -> None:
    with raw_session(site) as session:
        session.do("ENABLE QRESYNC")
        mirror = Mirror()
        mirror.follow(session.do("SELECT INBOX"))
        mirror.follow(session.do("UID FETCH 1:* (FLAGS)"))
        since = mirror.modseq
        busy.session.do("SELECT INBOX")
        busy.session.do("UID STORE 3 +FLAGS (\\Deleted)")
        busy.session.do("UID EXPUNGE 3")
        busy.session.do("UID STORE 7 +FLAGS (\\Answered)")
        mirror.follow(session.do("NOOP"))
        mirror.forget_news()
        untagged = session.do(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)")
        mirror.follow(untagged)
        assert (mirror.vanished, mirror.fetched) == ({3}, {7})
        assert mirror.flags == busy.truth()
