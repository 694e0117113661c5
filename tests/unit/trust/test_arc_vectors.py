"""ValiMail's test suite for ARC, where it is at hand. No package carries it, and it is too large to be ours.

It is read from `arc_test_suite/` in the cache that `vectors_kit` describes; every case of it must come out.
"""

from typing import Any

import pytest

from estafeta.trust import arc
from signed_kit import whole
from vectors_kit import kept_file
from zone_kit import Zone, run

yaml = pytest.importorskip("yaml")

CASES_IN_ALL = 170
# RFC 8301 3.1: what passed with SHA-1 when the suite was made is not accepted any more.
OLD = {"ams_fields_a_sha1", "as_fields_a_sha1"}


def test_every_case_comes_out() -> None:
    cases = 0
    wrong = []
    with kept_file("arc_test_suite/arc-draft-validation-tests.yml").open("rb") as file:
        for scenario in yaml.safe_load_all(file):
            records = scenario.get("txt-records") or {}
            zone = Zone({name: [("TXT", text)] for name, text in records.items() if text})
            for name, case in scenario["tests"].items():
                cases += 1
                found = _validate(case, zone)
                # Nothing is expected where a sealer says that the chain is broken: some stop, some fail.
                wanted = "fail" if name in OLD else (case["cv"] or "fail").lower()
                if found.status != wanted:
                    wrong.append((name, wanted, found))
    assert wrong == []
    assert cases == CASES_IN_ALL


def _validate(case: dict[str, Any], zone: Zone) -> arc.ArcResult:
    message = (case["message"] or "").replace("\n", "\r\n").encode()
    header, _, body = (b"\r\n" + message).partition(b"\r\n\r\n")
    return run(arc.validate((header[2:], whole(body)), zone))
