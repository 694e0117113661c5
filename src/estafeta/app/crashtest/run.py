"""`estafeta crashtest`: a temporary server, a load, kills by plan, and the count. Only processes started here die.

The server listens on free ports of 127.0.0.1; its home is a temporary directory that is removed at the end, unless it
is to be kept or something was found.
"""

import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from estafeta.app import listening, storecheck
from estafeta.app.config import Node, Service
from estafeta.app.crashtest.count import Count, count, count_books, count_relayed
from estafeta.app.crashtest.imap_load import ImapLoad, Person
from estafeta.app.crashtest.load import Load
from estafeta.app.crashtest.messages import Maker
from estafeta.app.crashtest.plan import Kill, Round, Target, make_rounds
from estafeta.app.crashtest.sink import Sink
from estafeta.app.crashtest.tree import Tree
from estafeta.app.home import Home
from estafeta.app.node_file import Choices, ports
from estafeta.app.setup import set_up
from estafeta.app.stores import open_site, populate
from estafeta.app.workers import INDEXER, WRITER
from estafeta.core.errors import EstafetaError, Kind
from estafeta.queue.overview import totals
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs
from estafeta.storage.steps import Step

_DOMAIN = "crash.test"
#: Also how many IMAP connections there can be: each is another user's.
USERS = 8
#: Where messages go that leave the server, each domain with a next hop of its own.
_ELSEWHERE = tuple(f"away@{name}.elsewhere.test" for name in ("one", "two", "three"))
#: What could not be sent is tried again at once, so that the queue is soon empty.
_RETRY = {"queue.retry_rules": ("* * F,1d,1s",), "queue.jitter_percent": 0}
#: How long the queue may take in the end, when nothing is killed any more.
_DRAIN_SECONDS = 90.0
_DRAIN_LOOK_SECONDS = 0.25
_FIRST_BASE = 30000
_LOOK_SECONDS = 0.05
#: A round at a step that is hardly ever passed is ended after this.
_ROUND_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `seconds` 0: no limit of time; `step` None: all of them, and kills from outside."""

    kills: int
    seconds: float
    seed: int
    step: Step | None
    sessions: int
    workers: int
    keep: bool
    storage_url: str
    imap: int = 0
    """IMAP connections of the load: 0 to 8."""
    relay: bool = False
    """Half of the messages go to other servers (too)."""


@dataclass(slots=True)
class Report:
    """What happened. `problems` are what `store verify` found; `home` is set when the files were kept."""

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    seconds: float = 0.0
    acknowledged: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    """IMAP commands that were acknowledged."""
    broken: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    stop_status: int = 0
    tracebacks: int = 0
    problems: list[str] = field(default_factory=list)
    counted: Count = field(default_factory=Count)
    home: str = ""

    @property
    def total_kills(self) -> int:
        """Processes, or whole trees, that were killed."""
        return sum(self.kills.values())

    @property
    def passed(self) -> bool:
        """Nothing lost, nothing torn, nothing left in the queue, the store whole, a clean stop."""
        counted = self.counted
        return not (counted.lost or counted.torn or counted.queued or self.problems or self.stop_status)


Show = Callable[[Report], None]


def run(options: Options, show: Show) -> Report:
    """Run it; `show` is called a few times a second with the report so far. EstafetaError when it cannot be run."""
    directory = Path(tempfile.mkdtemp(prefix="estafeta-crash-"))
    report = Report()
    keep = True
    sink = Sink(len(_ELSEWHERE), options.seed)
    try:
        sink.start()
        node, people = _prepare(Home.at(directory / "home"), options, sink.ports)
        _Run(options, node, people, sink, report, show, directory / "serve.log").run()
        keep = options.keep or not report.passed
    except EstafetaError as error:
        raise EstafetaError(error.kind, f"{error.public} Everything is in {directory}.", error.private) from error
    except KeyboardInterrupt:
        keep = options.keep
        raise
    finally:
        sink.stop()
        if keep:
            report.home = str(directory)
        else:
            shutil.rmtree(directory)
    return report


class _Run:
    """One run over a prepared home."""

    def __init__(
        self, options: Options, node: Node, people: list[Person], sink: Sink, report: Report, show: Show, log: Path
    ) -> None:
        self._options = options
        self._node = node
        self._sink = sink
        self._addresses = [person.address for person in people]
        self._report = report
        self._show = show
        self._log = log
        self._maker = Maker(options.seed, len(people), len(_ELSEWHERE) if options.relay else 0)
        self._load = Load(_port(node, Service.SMTP), self._maker, self._addresses, options.sessions, _ELSEWHERE)
        numbers = self._load.ledger.numbers
        self._imap = ImapLoad(_port(node, Service.IMAPS), self._maker, people[: options.imap], numbers.__next__)
        self._began = time.monotonic()

    def run(self) -> None:
        """Rounds until there were enough kills or it took long enough; then all that waits is sent, a clean stop, and
        the count."""
        steps = [self._options.step] if self._options.step else list(Step)
        tree: Tree | None = None
        try:
            for number, plan in enumerate(make_rounds(self._options.seed, steps)):
                tree = self._start(plan.crash_at)
                if number == 0:
                    self._load.start()
                    self._imap.start()
                self._live(tree, plan)
                if self._enough():
                    break
                tree.kill()
                self._note("whole tree")
            # The last tree still runs: it has to end properly, with the load still on it.
            if tree is not None:
                tree.kill()
            tree = self._start("")
            self._load.stop()
            self._imap.stop()
            self._drain()
            self._report.stop_status = tree.stop()
        finally:
            if tree is not None:
                tree.kill()
            self._load.stop()
            self._imap.stop()
        self._judge()

    def _start(self, crash_at: str) -> Tree:
        tree = Tree(self._node.home, self._options.workers, crash_at, self._log)
        try:
            tree.wait_ready()
        except BaseException:
            tree.kill()
            raise
        self._report.starts += 1
        return tree

    def _live(self, tree: Tree, plan: Round) -> None:
        if plan.step is None:
            for kill in plan.kills:
                self._wait(kill.after_seconds)
                self._kill(tree, kill)
                if self._enough():
                    return
        else:
            self._let_die(tree, plan)
        self._wait(plan.last_after_seconds)

    def _kill(self, tree: Tree, kill: Kill) -> None:
        pids = tree.processes()
        writer, indexer = pids.pop(WRITER, 0), pids.pop(INDEXER, 0)
        match kill.target:
            case Target.WORKER:
                victims = [list(pids.values())[int(kill.choice * len(pids))]] if pids else []
            case Target.WRITER:
                victims = [writer] if writer else []
            case Target.ALL:
                victims = [pid for pid in (writer, indexer, *pids.values()) if pid]
        for pid in victims:
            if tree.kill_process(pid):
                self._note(kill.target)

    def _let_die(self, tree: Tree, plan: Round) -> None:
        seen, deadline = 0, time.monotonic() + _ROUND_SECONDS
        while seen < plan.deaths and time.monotonic() < deadline and not self._enough():
            self._wait(_LOOK_SECONDS)
            deaths = tree.deaths()
            for _ in range(seen, deaths):
                self._note(f"at {plan.step}")
            seen = max(seen, deaths)

    def _drain(self) -> None:
        """Wait until the queue is empty."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        while _queued(self._node) and time.monotonic() < deadline:
            self._wait(_DRAIN_LOOK_SECONDS)

    def _enough(self) -> bool:
        options = self._options
        late = options.seconds and time.monotonic() - self._began >= options.seconds
        return bool(late) or self._report.total_kills >= options.kills

    def _wait(self, seconds: float) -> None:
        time.sleep(seconds)
        self._tell()

    def _note(self, what: str) -> None:
        self._report.kills[what] += 1
        self._tell()

    def _tell(self) -> None:
        report, ledger = self._report, self._load.ledger
        report.seconds = time.monotonic() - self._began
        report.acknowledged = len(ledger.acknowledged)
        report.changes = self._imap.changes()
        report.broken = ledger.broken + self._imap.broken
        self._show(report)

    def _judge(self) -> None:
        self._tell()
        report = self._report
        report.refused = {**self._load.ledger.refused, **self._imap.refused}
        report.tracebacks = self._log.read_bytes().count(b"Traceback (most recent call last)")
        report.counted = count(self._node, self._load.ledger, self._maker, self._addresses)
        count_books(self._node, self._imap.books.values(), self._maker, report.counted)
        count_relayed(self._sink.taken, self._load.ledger, self._maker, _ELSEWHERE, report.counted)
        report.counted.queued = _queued(self._node)
        report.problems = _verify(self._node)


def _verify(node: Node) -> list[str]:
    """What `estafeta store verify` has to say against the stopped server's store."""
    database, packs = Database(node.database_url), Packs(node.data / "packs")
    try:
        return [problem.sentence for problem in storecheck.verify(database, packs, lambda done, total: None)]
    finally:
        packs.close()
        database.close()


def _queued(node: Node) -> int:
    """Messages that wait to leave."""
    database = Database(node.database_url)
    try:
        with database.read() as conn:
            return totals(conn).messages
    finally:
        database.close()


def _prepare(home: Home, options: Options, sink_ports: Sequence[int]) -> tuple[Node, list[Person]]:
    """A home with a domain and users."""
    # Not always the same: two tests may begin at the same moment.
    first = _FIRST_BASE + secrets.randbelow(1000)
    base = listening.free_port_base("127.0.0.1", ports(0).values(), first)
    choices = Choices(_DOMAIN, f"mail.{_DOMAIN}", port_base=base, database_url=options.storage_url)
    node = set_up(home, choices, lambda node: populate(node, _DOMAIN, {})).node
    people = [Person(f"user{number}@{_DOMAIN}", secrets.token_hex(16)) for number in range(USERS)]
    with open_site(node) as site:
        if options.storage_url and any(held for held, _ in site.usage().values()):
            raise EstafetaError(Kind.EXISTS, "The database holds mail already: give the crash test an empty one.")
        for person in people:
            site.directory.add_user(person.address, password=person.password)
        if options.relay:
            pairs = zip(_ELSEWHERE, sink_ports, strict=True)
            hops = [f"{address.partition('@')[2]} host:127.0.0.1:{port}" for address, port in pairs]
            site.settings.set_values({"routing.route_rules": hops, **_RETRY}, "crashtest")
    return node, people


def _port(node: Node, service: Service) -> int:
    return next(listener.tcp_port for listener in node.config.listeners if listener.service is service)


def kill_lines(report: Report) -> Sequence[tuple[str, int]]:
    """What was killed how often, in a steady order."""
    return sorted(report.kills.items())
