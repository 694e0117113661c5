"""Other servers and name servers that say anything at any time: each ends in a recorded attempt with its reason.

All at once: one message to each of them, and one to a friendly server, which gets its own meanwhile.
"""

import json
import smtplib
import time
from collections.abc import Iterator

import pytest
from lab_site import lab_node
from running import Server

from estafeta.app.lab import Behaviour, LabThread

SETTINGS = {
    "delivery.connect_seconds": "2",
    "delivery.greeting_seconds": "5",
    "delivery.command_seconds": "5",
    "delivery.data_seconds": "5",
    "dns.timeout_seconds": "2",
}
STAGES = ("greeting", "ehlo", "mail", "rcpt", "data", "dot")
ACTS = ("hang", "drop", "reset", "drip", "endless", "giant", "garbage", "goodbye")
BEHAVIOURS = {f"{act}-{stage}": Behaviour(at={stage: act}, without=("CHUNKING",)) for stage in STAGES for act in ACTS}
BEHAVIOURS |= {f"{act}-starttls": Behaviour(at={"starttls": act}) for act in ("hang", "drop", "giant")}
BEHAVIOURS |= {f"{act}-content": Behaviour(at={"content": act}) for act in ("drop", "reset")}
BEHAVIOURS |= {f"{act}-bdat": Behaviour(at={"bdat": act}) for act in ("hang", "drop", "giant", "lost")}
FAULTS = ("servfail", "refused", "timeout", "garbage", "wrong-id", "wrong-question", "truncate-tcp", "loop")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        for name, behaviour in BEHAVIOURS.items():
            made.site(f"{name}.test", behaviour)
        for fault in FAULTS:
            made.names.fault(f"{fault}.test", fault)
        made.names.add("dead.test", a=[made.dead_address()])
        made.black_hole("hole.test")
        yield made


@pytest.fixture(scope="module")
def server(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with lab_node(tmp_path_factory.mktemp("node") / "home", lab, settings=SETTINGS) as made:
        yield made


def journal(server: Server) -> list[dict[str, object]]:
    said = server.run("journal", "show", "--json", "--limit", "10000")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)


def test_each_ends_in_a_recorded_attempt(server: Server, lab: LabThread) -> None:
    names = {*BEHAVIOURS, *FAULTS, "dead", "hole"}
    with smtplib.SMTP("127.0.0.1", server.port(25), "client.test", timeout=20) as client:
        for name in sorted(names):
            client.sendmail("alice@example.test", [f"bob@{name}.test"], b"Subject: x\r\n\r\nbody\r\n")
        friendly = lab.site("friendly.test")
        client.sendmail("alice@example.test", ["bob@friendly.test"], b"Subject: x\r\n\r\nbody\r\n")
    assert len(friendly.wait(1, 10)) == 1

    tried: dict[str, str] = {}
    end = time.monotonic() + 60
    while not names <= set(tried) and time.monotonic() < end:
        time.sleep(1)
        for record in journal(server):
            if str(record["code"]).startswith("8") and record["text"]:
                # An attempt that reached nobody is recorded for its destination, `mx:DOMAIN`.
                domain = str(record["address"]).removeprefix("mx:").rpartition("@")[2]
                tried[domain.removesuffix(".test")] = str(record["text"])
    assert names - set(tried) == set()
    assert all(text.isprintable() for text in tried.values())
