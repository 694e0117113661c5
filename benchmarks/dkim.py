"""DKIM, one core: signatures of messages of 4 KiB made and checked in a second, beside dkimpy.

Processor time of one process. The same message, the same key and canonical forms (relaxed/relaxed) for both; a message
is in memory, and keys come from memory. Each is measured in turns, and the median taken.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata

from benchmarks import signed_mail
from benchmarks.bench import Bench, Section, Target, judge, median

_NOW = 1_790_000_000  # in 2026, and past: dkimpy looks at its own clock
_LEAST = 1500
_SECONDS = 0.4
_OURS, _THEIRS = "Estafeta", "dkimpy"


@dataclass(frozen=True, slots=True)
class Run:
    """One turn: `rate` messages in a second of processor time."""

    what: str
    program: str
    rate: float


def run(bench: Bench) -> Section | None:
    try:
        cases = [case for algorithm in ("rsa-sha256", "ed25519-sha256") for case in _cases(algorithm)]
    except ImportError:
        bench.skipped[_THEIRS] = "it is not installed: pip install -e '.[bench]'"
        return None
    bench.versions[_THEIRS] = f"dkimpy {metadata.version('dkimpy')}"
    runs = []
    for _ in range(1 if bench.quick else 5):
        for what, program, work in cases:
            runs.append(Run(what, program, _rate(work)))
    for what in dict.fromkeys(run.what for run in runs):
        bench.say(f"  {what}: {_median(runs, what, _OURS):,.0f}/s; dkimpy {_median(runs, what, _THEIRS):,.0f}/s")
    return _section(runs)


def _cases(algorithm: str) -> list[tuple[str, str, Callable[[], object]]]:
    import dkim as dkimpy

    from estafeta.trust import dkim
    from estafeta.trust.dkimkeys import KeyCache
    from estafeta.trust.dkimsign import SIGNED, sign
    from estafeta.trust.lookups import LookupAnswer

    key = signed_mail.make_key(algorithm)
    fields, text = signed_mail.header(1, _NOW), signed_mail.body(1, 3500)
    record = key.dns_record().text.encode()
    unsigned = fields + b"\r\n" + text
    signature = sign(fields, lambda: iter((text,)), [key], now=_NOW)
    whole = signature + unsigned
    private, names = _private(key), [name.encode() for name in SIGNED]

    class Answers:
        async def txt(self, name: str) -> LookupAnswer[bytes]:
            from estafeta.dns.values import Answer, DnsStatus

            return Answer(DnsStatus.OK, (record,), name=name)

    keys = KeyCache()

    def check() -> None:
        # As a session does it: with everything in memory nothing is waited for.
        work = dkim.verify((signature + fields, lambda: iter((text,))), Answers(), now=_NOW, keys=keys)  # type: ignore[arg-type]
        try:
            work.send(None)
        except StopIteration as end:
            [result] = end.value
            if result.word != "pass":
                raise RuntimeError(result.reason) from None

    def check_theirs() -> None:
        if not dkimpy.verify(whole, dnsfunc=lambda name, timeout=5: record):
            raise RuntimeError("dkimpy finds our signature wrong")

    def sign_theirs() -> None:
        dkimpy.sign(
            unsigned, b"bench", signed_mail.SENDER.encode(), private, canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=algorithm.encode(), include_headers=names,
        )  # fmt: skip

    kind = "RSA, 2048 bits" if algorithm == "rsa-sha256" else "Ed25519"
    return [
        (f"signing, {kind}", _OURS, lambda: sign(fields, lambda: iter((text,)), [key], now=_NOW)),
        (f"signing, {kind}", _THEIRS, sign_theirs),
        (f"checking, {kind}", _OURS, check),
        (f"checking, {kind}", _THEIRS, check_theirs),
    ]


def _private(key: signed_mail.SigningKey) -> bytes:
    """The private key as dkimpy wants it."""
    import base64

    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if key.algorithm == "rsa-sha256":
        return key.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return base64.b64encode(key.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


def _rate(work: Callable[[], object]) -> float:
    work()
    begun, count = time.process_time(), 0
    while (spent := time.process_time() - begun) < _SECONDS:
        for _ in range(10):
            work()
        count += 10
    return count / spent


def _median(runs: list[Run], what: str, program: str) -> float:
    return median(run.rate for run in runs if (run.what, run.program) == (what, program))


def _section(runs: list[Run]) -> Section:
    rows, targets = [], []
    for what in dict.fromkeys(run.what for run in runs):
        ours, theirs = (_median(runs, what, program) for program in (_OURS, _THEIRS))
        rows.append([what, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.1f}"])
        if what.startswith("signing"):
            met = judge(ours, _LEAST, operator.ge)
            targets.append(Target(f"DKIM {what}", f"at least {_LEAST:,}/s", f"{ours:,.0f}/s", met))
    return Section(
        "dkim",
        "DKIM (one core, messages of 4 KiB, relaxed/relaxed)",
        ["what", "Estafeta messages/s", "dkimpy messages/s", "× dkimpy"],
        rows,
        ["Per second of processor time; medians. dkimpy computes RSA signatures in Python."],
        targets,
        [asdict(run) for run in runs],
    )
