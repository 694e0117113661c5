"""What fuzz targets share: `run` makes inputs and checks them until the time is up, `mutate` makes good ones bad.

A target is a program `fuzz_*.py` whose docstring begins with its invariant. An input depends on nothing but its number,
and the number of one that fails is printed: `--seed NUMBER --seconds 0` makes and checks that one alone.
"""

import argparse
import random
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

_MOST_PUT_IN = 200

Made = TypeVar("Made")


def run(make_input: Callable[[random.Random], Made], check: Callable[[random.Random, Made], None]) -> None:
    """Be the program: `check` raises when the invariant does not hold. It gets the dice as the making left them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="begin with this input, not with any")
    options = parser.parse_args()
    warnings.simplefilter("error")
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    number, end = first, time.monotonic() + options.seconds
    while number == first or time.monotonic() < end:
        dice = random.Random(number)
        made = make_input(dice)
        try:
            check(dice, made)
        except BaseException:
            print(f"--seed {number}: {made!r}", file=sys.stderr)
            raise
        number += 1
    print(f"{number - first} inputs, nothing found")


def mutate(dice: random.Random, data: bytes, tokens: Sequence[bytes], places: int = 8) -> bytes:
    """`data` with something cut, replaced, doubled or put in at fewer than so many places."""
    changed = bytearray(data)
    for _ in range(dice.randrange(places)):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0:
                del changed[at : at + dice.randint(1, 20)]
            case 1:
                changed[at : at + 1] = dice.randbytes(1)
            case 2:
                start = dice.randrange(len(changed) + 1)
                changed[at:at] = changed[start : start + dice.randrange(_MOST_PUT_IN)]
            case 3:
                changed[at:at] = dice.choice(tokens)
            case _:
                token = dice.choice(tokens)
                changed[at:at] = token * dice.randint(1, max(1, _MOST_PUT_IN // len(token)))
    return bytes(changed)


def split_at_random(dice: random.Random, data: bytes, pieces: int = 9) -> list[bytes]:
    """The same octets in so many pieces at most, some of them empty."""
    cuts = sorted(dice.randint(0, len(data)) for _ in range(dice.randrange(pieces)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
