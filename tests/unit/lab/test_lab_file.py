"""Labs written down, and the commands around them."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab import Lab
from estafeta.app.lab.file import EXAMPLE, build, parse_lab
from estafeta.cli.main import build_app
from estafeta.core.clock import LabClock
from estafeta.core.errors import EstafetaError


def test_the_example_is_right() -> None:
    async def run() -> None:
        file = parse_lab(EXAMPLE, "example")
        async with Lab() as lab:  # at free ports, whatever the file says
            await build(lab, file, "example")
            assert {"mx.friendly.test", "mx.picky.test", "mx.moody.test", "smart.test"} == set(lab.remotes)
            assert lab.remotes["smart.test"].behaviour.auth == {"me": "secret"}
            assert lab.remotes["mx.picky.test"].behaviour.greylist == 1
            assert lab.names.find("mta-sts.friendly.test") is not None
            assert lab.names.find_fault("broken.test", "MX") == "servfail"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x =", "not valid TOML"),
        ("nam = 1", "unknown key `nam`"),
        ("port = 70000", "must be a port"),
        ('port = "x"', "must be a port"),
        ("names = 3", "write names as"),
        ("server = 3", "write each server"),
        ("[[server]]\nport = 3", "with a host"),
        ('[names."x.test"]\nmxx = []', "unknown key `mxx`"),
        ('[names."x.test"]\nmx = ["x"]', "needs 2 words"),
        ('[names."x.test"]\nmx = ["ten x"]', "invalid literal"),
        ('[names."x.test"]\nmx = 3', "not iterable"),
        ('[names."x.test"]\na = "8.8.8.8"', "not in the lab"),
        ('[names."x.test"]\na = "one"', "no IP address"),
        ('[names."a..b"]\na = "127.0.0.1"', "no name"),
        ('[names."x.test"]\nfault = "bad"', "no fault"),
        ('[[server]]\nhost = "x.test"\naddress = "192.0.2.1"', "loopback"),
        ('[[server]]\nhost = "x.test"\n[server.at]\nrcpt = "maybe"', "no act"),
        ('[[server]]\nhost = "x.test"\n[server.at]\nrcpt = 3', "TypeError"),
        ('[[server]]\nhost = "x.test"\nat = 3', "AttributeError"),
        ('[[server]]\nhost = "x.test"\n[[server]]\nhost = "x.test"', "already"),
        ('[policy."x.test"]\nfault = "bad"', "no fault"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    async def run() -> None:
        file = parse_lab(text, "lab.toml")
        async with Lab() as lab:
            await build(lab, file, "lab.toml")

    with pytest.raises(EstafetaError, match=says) as caught:
        asyncio.run(run())
    assert caught.value.public.startswith("lab.toml")


def test_the_example_is_printed() -> None:
    assert CliRunner().invoke(build_app(), ["lab", "example"]).output == EXAMPLE


def test_jump_moves_the_clock_of_a_node(tmp_path: Path) -> None:
    (tmp_path / "estafeta.toml").write_text('hostname = "mail.example.test"\n[lab]\n')
    result = CliRunner().invoke(build_app(), ["lab", "jump", "4h", "--home", str(tmp_path)])
    assert result.output.startswith("It is ")
    node = load_node(Home(tmp_path))
    clock = node.make_clock()
    assert isinstance(clock, LabClock)
    assert clock.offset_seconds == 14_400
    CliRunner().invoke(build_app(), ["lab", "jump", "now", "--home", str(tmp_path)])
    assert LabClock(tmp_path / "lab-clock").offset_seconds == 0


def test_only_a_node_of_a_lab_can_jump(tmp_path: Path) -> None:
    (tmp_path / "estafeta.toml").write_text('hostname = "mail.example.test"\n')
    result = CliRunner().invoke(build_app(), ["lab", "jump", "4h", "--home", str(tmp_path)])
    assert isinstance(result.exception, EstafetaError)
    assert "[lab]" in result.exception.public


def test_run_serves_until_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('[[server]]\nhost = "mx.test"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "estafeta", "lab", "run", str(tmp_path / "lab.toml")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Name server 127.77.0.1:")
    process.send_signal(signal.SIGTERM)
    said = process.stdout.read()
    process.stdout.close()
    assert process.wait(10) == 0
    assert "delivery.port" in said
    assert not list(tmp_path.glob("estafeta-lab-*"))
