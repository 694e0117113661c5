"""Whatever clamd, spamd, rspamd or a web hook answers, reading it gives an answer within its bounds, or AnswerError.

python tests/fuzz/fuzz_scanners.py [--seconds N] [--seed N]

Answers are good ones, mutated. An answer that is complete is the same whether more would come or not; its words are on
one line and short, its points finite. Prints the seed that fails.
"""

import argparse
import math
import random
import time
from collections.abc import Callable
from typing import Any

from fuzz_smtp import mutate

from estafeta.protocols.scanners import clamd, hook, rspamd, spamd
from estafeta.protocols.scanners.words import AnswerError

ANSWERS: list[tuple[Callable[..., Any], bool, bytes]] = [
    (clamd.parse_answer, True, b"stream: OK\0"),
    (clamd.parse_answer, True, b"stream: Win.Test.EICAR_HDB-1 FOUND\0"),
    (clamd.parse_answer, True, b"INSTREAM size limit exceeded. ERROR\0"),
    (spamd.parse_answer, True, b"SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\nSpam: True ; 7.5 / 5.0\r\n\r\nA,B,C"),
    (spamd.parse_answer, True, b"SPAMD/1.5 76 Bad header\r\n\r\n"),
    (rspamd.parse_answer, False, b'{"score": 7.1, "required_score": 15, "action": "reject",'
     b' "symbols": {"A": {"score": 1}}, "thresholds": {"add header": 6}, "is_skipped": false}'),
    (rspamd.parse_answer, False, b'{"error": "no"}'),
    (hook.parse_answer, False, b'{"action": "score", "score": 2.5, "reason": "why", "text": "No", "tag": "t"}'),
    (hook.parse_answer, False, b'{"action": "reject", "text": "\\u0000\\ud800\\u2028"}'),
]  # fmt: skip


def read(parse: Callable[..., Any], streamed: bool, octets: bytes, ended: bool) -> Any:
    try:
        return parse(octets, ended=ended) if streamed else parse(octets)
    except AnswerError as error:
        return str(error)


def one(seed: int) -> None:
    dice = random.Random(seed)
    parse, streamed, octets = dice.choice(ANSWERS)
    octets = mutate(dice, bytearray(octets))
    answer = read(parse, streamed, octets, ended=False)
    if streamed and answer is not None:
        assert read(parse, streamed, octets, ended=True) == answer, "depends on whether more comes"
    for value in answer if isinstance(answer, tuple) else (answer,):
        assert not isinstance(value, float) or math.isfinite(value)
        assert not isinstance(value, str) or (len(value) <= 400 and value.isprintable())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seed, ends = options.seed, time.monotonic() + options.seconds
    while time.monotonic() < ends:
        try:
            one(seed)
        except BaseException:
            print(f"failed with --seed {seed}")
            raise
        seed += 1
    print(f"{seed - options.seed} answers, nothing wrong")


if __name__ == "__main__":
    main()
