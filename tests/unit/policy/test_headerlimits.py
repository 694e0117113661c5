"""A header that goes on behind what checks read of it: nothing of it comes past them."""

from pathlib import Path

import pytest

from estafeta.directory.settings_model import Settings
from estafeta.intake.held import HeldFile
from estafeta.policy.facts import Facts
from estafeta.policy.fields import MAX_FIELDS, MAX_HEADER_OCTETS
from estafeta.policy.headerlimits import judge

AUTHOR = b"From: boss@example.test\r\n"
FIELD = b"X: " + b"y" * 900 + b"\r\n"


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        (AUTHOR + b"\r\n" + b"x" * MAX_HEADER_OCTETS, []),
        (AUTHOR, []),
        (b"", []),
        (b"A: b\r\n" * (MAX_FIELDS - 1) + AUTHOR + b"\r\n", []),
        (b"A: b\r\n" * MAX_FIELDS + AUTHOR + b"\r\n", [552]),
        (FIELD * 250 + AUTHOR + b"\r\n", []),
        (FIELD * 300 + AUTHOR + b"\r\nx", [552]),
        (FIELD * 300 + AUTHOR, [552]),
        (b"no field and no end of it" * 20_000, [552]),
    ],
)
def test_headers_are_read_whole_or_refused(tmp_path: Path, message: bytes, codes: list[int]) -> None:
    file = HeldFile(tmp_path)
    file.write(message)
    verdicts = judge(Facts("192.0.2.1", content=file.content()), Settings())
    file.close()
    assert [verdict.code for verdict in verdicts] == codes
