"""Signing in by IMAP: connect, LOGIN, LOGOUT, as often as 50 clients can in some seconds.

Dovecot is measured as it ships, with a process for each connection, and tuned (see `imap_dovecot.py`). Its passwords
are kept in clear, so that it compares and need not hash; Estafeta's are Argon2id. Each user has signed in before.
"""

from __future__ import annotations

import operator
from dataclasses import asdict

from benchmarks.bench import Bench, Section, Target, judge, median, times
from benchmarks.clients import Login
from benchmarks.imap_dovecot import DovecotImap, DovecotTuned
from benchmarks.imap_servers import EstafetaImap, ImapServer, running
from benchmarks.server import DOMAIN

_SESSIONS, _USERS = 50, 20
_WARM_UP_SECONDS, _MAX_WARM_UPS = 1.5, 12


def run(bench: Bench) -> Section:
    seconds = 2.0 if bench.quick else 4.0
    results: dict[str, list[Login]] = {}
    with running(bench, (EstafetaImap, DovecotImap, DovecotTuned), _USERS) as servers:
        for server in servers:
            results[server.name] = []
            _warm_up(bench, server)
        for number in range(bench.rounds):
            for server in servers:
                login = _sign_in(bench, server, seconds)
                bench.say(f"  round {number + 1}: {server.name} {login.rate:,.0f}/s")
                results[server.name].append(login)
    reference = _rate(results, DovecotTuned.name)
    return Section(
        "imap_login",
        f"Signing in by IMAP ({_SESSIONS} clients, {_USERS} users: connect, LOGIN, LOGOUT)",
        ["server", "sign-ins/s", "× Dovecot, tuned", "LOGIN p50 ms", "LOGIN p99 ms"],
        [_row(name, logins, reference) for name, logins in results.items()],
        [
            f"Medians of {bench.rounds} runs of {seconds:g} s, servers in turn; to LOGIN's OK from connect.",
            "Dovecot compares passwords in clear; Estafeta's are Argon2id, and each worker has seen each before.",
        ],
        [_target(results, name) for name in (DovecotImap.name, DovecotTuned.name)],
        [{"server": name} | asdict(login) for name, logins in results.items() for login in logins],
    )


def _warm_up(bench: Bench, server: ImapServer) -> None:
    """Until each user has signed in often enough for every worker to know each password, and it gets no faster."""
    best, signed_in = 0.0, 0
    for _ in range(_MAX_WARM_UPS):
        login = _sign_in(bench, server, _WARM_UP_SECONDS)
        signed_in += login.logins
        if login.rate < best * 1.2 and signed_in > _USERS * 20:
            break
        best = max(best, login.rate)


def _sign_in(bench: Bench, server: ImapServer, seconds: float) -> Login:
    domain = DOMAIN if "@" in server.address(0) else ""
    return bench.clients.login(server.imap_port, domain, _SESSIONS, _USERS, seconds)


def _rate(results: dict[str, list[Login]], name: str) -> float | None:
    logins = results.get(name)
    return median(login.rate for login in logins) if logins else None


def _row(name: str, logins: list[Login], reference: float | None) -> list[str]:
    rate = median(login.rate for login in logins)
    p50, p99 = median(login.p50ms for login in logins), median(login.p99ms for login in logins)
    return [name, f"{rate:,.0f}", times(rate, reference), f"{p50:.1f}", f"{p99:.1f}"]


def _target(results: dict[str, list[Login]], reference: str) -> Target:
    ours, theirs = _rate(results, EstafetaImap.name), _rate(results, reference)
    ratio = ours / theirs if ours and theirs else None
    measured = f"{ratio:.2f} times" if ratio else "not measured"
    name = f"IMAP: LOGIN per second against {reference}"
    return Target(name, "at least 1 time", measured, judge(ratio, 1, operator.ge))
