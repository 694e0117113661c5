"""Whatever an attachment that calls itself an archive holds, reading it ends, within its limits, and never raises.

python tests/fuzz/fuzz_archives.py [--seconds N] [--seed N]

Archives are good ones, mutated. No member gives more than it was asked for, all that is kept of a message is within
`MAX_TOTAL_OCTETS` (and one part), and the same message reads the same twice. Prints the seed that fails.
"""

import argparse
import bz2
import gzip
import lzma
import random
import sys
import tarfile
import time
from pathlib import Path

from fuzz_smtp import mutate

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "policy"))
from archive_kit import mail_with, parts_of, tarred, zipped
from test_archive_tnef import File, winmail

from estafeta.policy.archives import find_format, read_members
from estafeta.policy.parts import MAX_MEMBERS, MAX_PART_OCTETS, MAX_PARTS, MAX_TOTAL_OCTETS

FILES = (("a.txt", b"words " * 50), ("dir/x.exe", b"MZ"))
ARCHIVES = [
    zipped(*FILES),
    zipped(*FILES) + zipped(("y.exe", b"MZ")),
    zipped(("b.zip", zipped(*FILES))),
    tarred(*FILES),
    tarred(("y" * 150, b"x"), *FILES, form=tarfile.PAX_FORMAT),
    gzip.compress(tarred(*FILES)) * 2,
    bz2.compress(zipped(*FILES)),
    lzma.compress(winmail(File("a.txt"))),
    winmail(File("A~1.TXT", "a.txt"), File("b.zip", data=zipped(*FILES)), File("Letter", inner=winmail(File("x.exe")))),
]


def one(seed: int) -> None:
    dice = random.Random(seed)
    octets = bytes(mutate(dice, bytearray(dice.choice(ARCHIVES))))
    found = find_format(octets)
    if found is not None:
        for number, member in enumerate(read_members(found, octets, "a.tgz")):
            most = dice.choice((1, 100, 10_000))
            assert len(member.read(most).octets) <= most, "more than was asked for"
            if number > MAX_MEMBERS:
                break
    message = mail_with(dice.choice(("a", "a.tgz", "a.eml")), octets)
    parts = parts_of(message)
    assert len(parts) <= MAX_PARTS + MAX_MEMBERS, "too many parts"
    assert sum(len(part.octets) for part in parts) <= MAX_TOTAL_OCTETS + MAX_PART_OCTETS, "too much is kept"
    assert all(part.name.isprintable() and len(part.path) <= 1000 for part in parts), "a name of several lines"
    assert parts == parts_of(message)


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
    print(f"{seed - options.seed} archives, nothing wrong")


if __name__ == "__main__":
    main()
