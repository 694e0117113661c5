"""Whatever an attachment that calls itself an archive holds, reading it ends, within its limits, and never raises.

    python tests/fuzz/fuzz_archives.py [--seconds N] [--seed N]

Archives are good ones, mutated. No member gives more than it was asked for, all that is kept of a message is within
`MAX_TOTAL_OCTETS` (and one part), and the same message reads the same twice.
"""

import bz2
import gzip
import lzma
import random
import sys
import tarfile
from pathlib import Path

from fuzz_smtp import mutate_words
from fuzzing import run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "policy"))

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


def make_archive(dice: random.Random) -> bytes:
    return mutate_words(dice, dice.choice(ARCHIVES))


def check(dice: random.Random, octets: bytes) -> None:
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


if __name__ == "__main__":
    run(make_archive, check)
