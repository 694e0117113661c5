"""What looking at mail costs: deliveries with all checks, with some and with none, by turns on one server.

The same messages each time: 4 KiB, each with a DKIM signature (RSA, 2048 bits), from a domain with SPF and DMARC, all
of which pass. For the checks the client is a stranger, Bayes has learnt enough to judge, and three filters are asked;
for none it is in `relay.networks`, of whom nothing is asked, and there is no filter. First SPF, DKIM, DMARC, filters
and Bayes, without what else settings can switch off; "all" are those of a new server besides (rules, experience, rates,
whether the sender's domain exists, greylisting, which lets everybody pass).
DNS is a server on this machine.
"""

from __future__ import annotations

import imaplib
import operator
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import signed_mail
from benchmarks.bench import Bench, Section, Target, judge, median
from benchmarks.clients import Plan
from benchmarks.estafeta_server import Estafeta, command
from benchmarks.nameserver import NameServer
from benchmarks.server import DOMAIN, PASSWORD

_USERS = 100
_LEAST = 0.5
#: Until all workers know of a changed setting.
_NOTICE_SECONDS = 1.0
_OURS = "127.0.0.0/8,::1"
_CORE = "SPF, DKIM, DMARC, filters, Bayes"
_ALL = "all"
_NONE = "none"
_FILTERS = """
[[filter]]
name = "programs"
action = "keep"
attachment = ["*.exe", "*.scr", "*.js", "*.vbs"]
[[filter]]
name = "love letters"
action = "discard"
subject = "ILOVEYOU"
[[filter]]
name = "bulk"
action = "score"
points = 2
match = "any"
header."X-Mailer" = "*bulk*"
header.Precedence = ["bulk", "junk"]
"""
_ON = {"relay.networks": "", "filters.rules": _FILTERS, "bayes.enabled": "true"}
_RATES = tuple(f"spam.{name}" for name in ("messages_per_hour", "recipients_per_hour", "domain_messages_per_hour"))
_REST = {
    "spam.rules": "true",
    "spam.reputation": "true",
    "spam.greylist": "suspicious",
    "spam.reject_unknown_sender_domain": "true",
} | dict.fromkeys(_RATES, "10000000")  # counted, and never reached
_NO_REST = {
    "spam.rules": "false",
    "spam.reputation": "false",
    "spam.greylist": "off",
    "spam.reject_unknown_sender_domain": "false",
} | dict.fromkeys(_RATES, "0")
_STATES = {
    _NONE: {"relay.networks": _OURS, "filters.rules": ""},
    _CORE: _ON | _NO_REST,
    "all but Bayes": _ON | _REST | {"bayes.enabled": "false"},
    _ALL: _ON | _REST,
}
#: Messages of each kind that Bayes has learnt; 100 are enough for it to judge.
_LEARNT = 150


@dataclass(frozen=True, slots=True)
class Run:
    """One load: `rate` in messages/s until the last 250."""

    checks: str
    many: bool
    rate: float
    cpu_per_1000: float
    p50ms: float
    p99ms: float


def run(bench: Bench) -> Section | None:
    if not bench.available([Estafeta]):
        return None
    key = signed_mail.make_key()
    messages = 1500 if bench.quick else 6000
    file = bench.new_directory() / "messages"
    signed_mail.write(file, messages // 3, key, time.time())
    names = NameServer(signed_mail.zone(key))
    settings = {"dns.servers": f"127.0.0.1:{names.port}", "limits.exempt_networks": "127.0.0.0/8"}
    try:
        with bench.running(Estafeta, _USERS) as server:
            assert isinstance(server, Estafeta)
            # Loopback has no limits either way.
            for name, value in settings.items():
                command(server.directory, "config", "set", name, value)
            _teach(bench, server)
            runs = _alternate(bench, server, file, messages)
            _check(server)
    finally:
        names.close()
    return _section(messages, runs)


def _teach(bench: Bench, server: Estafeta) -> None:
    """Bayes learns good mail and junk, of the same words in other numbers."""
    for begin, verb in ((0, "learn-good"), (_LEARNT, "learn-bad")):
        directory = bench.new_directory()
        for number in range(begin, begin + _LEARNT):
            text = signed_mail.header(number, time.time()) + b"\r\n" + signed_mail.body(10_000 + number, 3000)
            (directory / f"{number}.eml").write_bytes(text)
        command(server.directory, "junk", verb, str(directory))


def _alternate(bench: Bench, server: Estafeta, file: Path, messages: int) -> list[Run]:
    runs = []
    for number in range(1 if bench.quick else 4):
        for many in (False, True):
            for checks in sorted(_STATES, reverse=bool(number % 2)):
                for name, value in _STATES[checks].items():
                    command(server.directory, "config", "set", name, value)
                time.sleep(_NOTICE_SECONDS)
                plan = Plan(50, messages, many, _USERS, contents=file, sender=signed_mail.SENDER)
                bench.clients.load(server.smtp_port, Plan(50, 400, many, _USERS, 0, DOMAIN, file, signed_mail.SENDER))
                cpu = server.group.cpu_seconds()
                load = bench.clients.load(server.smtp_port, plan)
                cpu = (server.group.cpu_seconds() - cpu) / messages * 1000
                runs.append(Run(checks, many, load.rate, cpu, load.p50ms, load.p99ms))
                bench.say(f"  {_words(many)}, checks {checks}: {load.rate:.0f}/s, {cpu:.2f} s CPU/1000")
    return runs


def _check(server: Estafeta) -> None:
    """That all was asked, and found right. RuntimeError when it was not."""
    with imaplib.IMAP4("127.0.0.1", server.smtp_port - 25 + 143) as client:
        client.starttls()
        client.login(f"u00@{DOMAIN}", PASSWORD)
        client.select("INBOX", readonly=True)
        _, [found] = client.search(None, "HEADER", "Authentication-Results", "dmarc=pass")
        _, [passed] = client.search(None, "HEADER", "Authentication-Results", "dkim=pass")
        _, [total] = client.search(None, "ALL")
    counts = [len(one.split()) for one in (found, passed, total)]
    share = (len(_STATES) - 1) / len(_STATES)
    if counts[0] != counts[1] or abs(counts[0] / counts[2] - share) > 0.05:
        raise RuntimeError(f"of {counts[2]} messages {counts[1]} passed DKIM, {counts[0]} DMARC; {share:.0%} should")


def _words(many: bool) -> str:
    return "many per connection" if many else "one per connection"


def _section(messages: int, runs: list[Run]) -> Section:
    rows, targets = [], []
    rounds = len(runs) // (2 * len(_STATES))
    for many in (False, True):
        of = {checks: [run for run in runs if (run.checks, run.many) == (checks, many)] for checks in _STATES}
        rates = {checks: median(run.rate for run in some) for checks, some in of.items()}
        for checks, some in of.items():
            rows.append(
                [
                    f"50 sessions, {_words(many)}, checks: {checks}",
                    f"{rates[checks]:,.0f}",
                    f"{rates[checks] / rates[_NONE]:.2f}",
                    f"{median(run.cpu_per_1000 for run in some):.2f}",
                    f"{median(run.p50ms for run in some):.1f}",
                    f"{median(run.p99ms for run in some):.1f}",
                ]
            )
        share = rates[_CORE] / rates[_NONE]
        name = f"{_words(many)}: rate with {_CORE} against none"
        targets.append(Target(name, f"at least {_LEAST:g}", f"{share:.2f}", judge(share, _LEAST, operator.ge)))
    return Section(
        "policy",
        "What looking at mail costs (Estafeta, 4 KiB messages signed with RSA-2048)",
        ["load", "messages/s", "× without", "CPU s per 1000", "ack p50 ms", "ack p99 ms"],
        rows,
        [f"Medians of {rounds} loads of {messages:,} messages each, by turns; DNS from this machine."],
        targets,
        [asdict(run) for run in runs],
    )
