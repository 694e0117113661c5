"""The openspf test suite for RFC 7208, from the source distribution of pyspf. Every case of it must pass."""

from typing import Any

import pytest

from estafeta.trust.spf import check_host
from vectors_kit import source_file
from zone_kit import TIMEOUT, Record, Zone, run

yaml = pytest.importorskip("yaml")

# Scenarios of the file, by which the cases are told apart without reading it at import.
SCENARIOS = [
    "Initial processing",
    "Record lookup",
    "Selecting records",
    "Record evaluation",
    "ALL mechanism syntax",
    "PTR mechanism syntax",
    "A mechanism syntax",
    "Include mechanism semantics and syntax",
    "MX mechanism syntax",
    "EXISTS mechanism syntax",
    "IP4 mechanism syntax",
    "IP6 mechanism syntax",
    "Semantics of exp and other modifiers",
    "Macro expansion rules",
    "Processing limits",
    "Test cases from implementation bugs",
]
CASES_IN_ALL = 203


def _suite() -> dict[str, Any]:
    with source_file("pyspf==2.0.14", "test/rfc7208-tests.yml").open("rb") as file:
        return {scenario["description"]: scenario for scenario in yaml.safe_load_all(file)}


def _octets(value: Any) -> bytes:
    # The file writes octets beyond ASCII as characters of the same number.
    return "".join([value] if isinstance(value, str) else value).encode("latin-1")


def _records(entries: list[Any]) -> list[Record]:
    """As the suite's head says: records of type SPF stand for TXT too, unless there are TXT records."""
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    kind = "TXT" if any(key == "TXT" for key, _ in pairs) else "SPF"
    texts = [("TXT", _octets(value)) for key, value in pairs if key == kind and value != "NONE"]
    others = [(key, value) for key, value in pairs if key not in ("TXT", "SPF")]
    return [*texts, *others, *([TIMEOUT] if "TIMEOUT" in entries else [])]


def test_the_suite_is_the_one_that_is_known() -> None:
    suite = _suite()
    assert list(suite) == SCENARIOS
    assert sum(len(scenario["tests"]) for scenario in suite.values()) == CASES_IN_ALL


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str) -> None:
    found = _suite()[scenario]
    zone = Zone({name: _records(entries) for name, entries in found["zonedata"].items()})
    wrong = []
    for name, case in found["tests"].items():
        sender = case["mailfrom"]
        domain = sender.rpartition("@")[2] or case["helo"]
        result = run(check_host(case["host"], domain, sender, helo=case["helo"], resolver=zone))
        expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
        explanation = case.get("explanation")
        if result.result not in expected or (
            explanation is not None and result.explanation != explanation.replace("DEFAULT", "")
        ):
            wrong.append((name, expected, explanation, result))
    assert wrong == []
