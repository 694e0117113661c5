"""Whatever clamd, spamd, rspamd or a web hook answers, reading it gives an answer within its bounds, or AnswerError.

    python tests/fuzz/fuzz_scanners.py [--seconds N] [--seed N]

Answers are good ones, mutated. An answer that is complete is the same whether more would come or not; its words are on
one line and short, its points finite.
"""

import math
import random
from collections.abc import Callable
from typing import Any

from fuzz_smtp import mutate_words
from fuzzing import run

from estafeta.protocols.scanners import clamd, hook, rspamd, spamd
from estafeta.protocols.scanners.words import AnswerError

#: How it is read, whether in pieces, and the octets.
Answer = tuple[Callable[..., Any], bool, bytes]
ANSWERS: list[Answer] = [
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


def make_answer(dice: random.Random) -> Answer:
    parse, streamed, octets = dice.choice(ANSWERS)
    return parse, streamed, mutate_words(dice, octets)


def check(dice: random.Random, made: Answer) -> None:
    parse, streamed, octets = made
    answer = read(parse, streamed, octets, ended=False)
    if streamed and answer is not None:
        assert read(parse, streamed, octets, ended=True) == answer, "depends on whether more comes"
    for value in answer if isinstance(answer, tuple) else (answer,):
        assert not isinstance(value, float) or math.isfinite(value)
        assert not isinstance(value, str) or (len(value) <= 400 and value.isprintable())


if __name__ == "__main__":
    run(make_answer, check)
