"""A branch office that dials in: it sends in batch sessions through its provider, and fetches its mail with ETRN."""

import smtplib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from outward_site import Node, letter, running_node, send
from running import wait_until

from estafeta.app.lab import LabThread


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabThread]:
    with LabThread(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def isp(lab: LabThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    settings = {
        "batch.serve_domains": "filial.test",
        "routing.backup_mx_domains": "filial.test",
        "relay.networks": "127.0.0.1/32,127.77.9.9/32",
        "delivery.idle_seconds": "0",
    }
    with running_node(tmp_path_factory.mktemp("isp") / "home", lab, "isp.test", settings=settings) as node:
        yield node


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of sessions write what they do."""
    directory = tmp_path_factory.mktemp("diary")
    (directory / "command.py").write_text(
        "import pathlib, sys\n"
        "diary = pathlib.Path(__file__).parent\n"
        "with open(diary / 'diary', 'a') as file:\n"
        "    file.write(sys.argv[1] + '\\n')\n"
        "sys.exit(sys.argv[1] == 'dial' and (diary / 'busy').exists())\n"
    )
    (directory / "diary").touch()
    return directory


@pytest.fixture(scope="module")
def branch(lab: LabThread, isp: Node, diary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    command = f"{sys.executable} {diary / 'command.py'}"
    settings = {
        "batch.enabled": "on",
        "batch.interval_seconds": "0",
        "batch.before_command": f"{command} dial",
        "batch.after_command": f"{command} hang-up",
        "batch.etrn_server": "[mx.isp.test]",
        "batch.etrn_domains": "filial.test",
        "routing.smarthost": "[mx.isp.test]",
        "delivery.idle_seconds": "0",
    }
    home = tmp_path_factory.mktemp("branch") / "home"
    with running_node(home, lab, "filial.test", settings=settings, address="127.77.9.9") as node:
        yield node


def wait_ended(diary: Path, sessions: int) -> None:
    """Until so many sessions ended."""
    wait_until(lambda: (diary / "diary").read_text() == "dial\nhang-up\n" * sessions)


def test_between_sessions_only_mail_for_here_moves(branch: Node, isp: Node, lab: LabThread, diary: Path) -> None:
    world = lab.site("mundo.test")
    branch.submit("a la espera", branch.at("bob"), "x@mundo.test", isp.at("carol"))
    branch.wait_for("bob", "Subject: a la espera")
    assert len(branch.queued("x@mundo.test")) == 1
    assert (diary / "diary").read_text() == ""
    assert "A batch session begins" in branch.server.run("batch", "run").stdout
    assert world.wait()[0].addresses == ("x@mundo.test",)
    isp.wait_for("carol", "Subject: a la espera")
    wait_ended(diary, 1)
    branch.submit("otra vez", "x@mundo.test")
    assert [one.attempts for one in branch.queued("x@mundo.test")] == [0]


def test_where_nobody_answers_nothing_is_sent(branch: Node, lab: LabThread, diary: Path) -> None:
    before = (diary / "diary").read_text()
    (diary / "busy").touch()
    branch.submit("ocupado", "x@mundo.test")
    branch.server.run("batch", "run")
    wait_until(lambda: (diary / "diary").read_text() == f"{before}dial\n")
    wait_until(lambda: "batch command failed" in (branch.server.home / "stderr.log").read_text())
    assert len(branch.queued("x@mundo.test")) == 2
    (diary / "busy").unlink()
    (diary / "diary").write_text(before)


def test_sessions_at_intervals(branch: Node, lab: LabThread, diary: Path) -> None:
    world = lab.lab.remotes["mx.mundo.test"]
    branch.use(batch__interval_seconds="1800")
    assert len(world.wait(3)) == 3
    wait_ended(diary, 2)
    branch.use(batch__interval_seconds="0")


def test_mail_goes_out_though_nobody_can_be_asked_for_ours(branch: Node, lab: LabThread, diary: Path) -> None:
    world = lab.lab.remotes["mx.mundo.test"]
    lab.names.add("dead.test", a=[lab.dead_address()])
    branch.use(batch__etrn_server="[dead.test]")
    branch.submit("sin ETRN", "x@mundo.test")
    branch.server.run("batch", "run")
    world.wait(4)
    wait_ended(diary, 3)
    branch.use(batch__etrn_server="[mx.isp.test]")


def test_a_branch_office_fetches_its_mail(branch: Node, isp: Node, diary: Path) -> None:
    branch.switch_off()
    with isp.stranger() as client:
        send(client, letter("para la filial", "who@who.test", branch.at("bob")), [branch.at("bob")])
    isp.submit("del proveedor", branch.at("ana"))
    wait_until(lambda: "cannot be reached" in isp.story("para la filial"))
    assert len(isp.queued(branch.at("bob"))) == 1
    branch.switch_on()
    branch.server.run("batch", "run")
    branch.wait_for("bob", "Subject: para la filial")
    branch.wait_for("ana", "Subject: del proveedor")
    wait_ended(diary, 4)
    assert isp.queued(branch.at("bob")) == []


def test_etrn_as_any_server_says_it(branch: Node, isp: Node) -> None:
    with isp.stranger() as client:
        client.ehlo()
        assert client.has_extn("etrn")
        assert client.docmd("ETRN", "filial.test")[0] == 251
        assert client.docmd("ETRN", "mundo.test")[0] == 459
        assert client.docmd("ETRN", "@test")[0] == 251
        assert client.docmd("ETRN")[0] == 501
    with smtplib.SMTP(branch.address, branch.lab.port, timeout=20) as client:
        client.ehlo()
        assert not client.has_extn("etrn")
