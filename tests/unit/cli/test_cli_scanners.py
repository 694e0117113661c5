"""`estafeta policy scanners`, its part of `status`, and the secret of the web hook, with scanners that listen."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.report import examine
from estafeta.app.stores import open_site
from estafeta.cli.main import build_app
from estafeta.core.errors import EstafetaError

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))

from milter_kit import Milter
from scanner_kit import EICAR, in_a_thread

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*"


async def clamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    command = await reader.readuntil(b"\0")
    if command == b"zPING\0":
        writer.write(b"PONG\0")
    elif EICAR in await reader.readuntil(b"\0\0\0\0"):
        writer.write(b"stream: Eicar-Test-Signature FOUND\0")
    await writer.drain()


async def spamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    said = await reader.read() if (await reader.readexactly(4)) == b"SYMB" else b"PING"
    score = b"1000.0" if GTUBE in said else b"0.1"
    spam = b"Content-length: 0\r\nSpam: True ; %b / 5.0\r\n\r\n" % score
    writer.write(b"SPAMD/1.5 0 PONG\r\n" if said == b"PING" else b"SPAMD/1.1 0 EX_OK\r\n" + spam)
    await writer.drain()


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """rspamd without rules, and a hook that wants its secret."""
    head = await reader.readuntil(b"\r\n\r\n")
    [length] = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    await reader.readexactly(int(length.split(b":")[1]))
    answer: dict[str, Any] = {"score": 1.0, "action": "no action"}
    if head.startswith(b"POST /mail"):
        answer = {"action": "pass", "reason": "secret" if b"Bearer s3cret" in head else "no secret"}
    octets = b"pong\r\n" if b"/ping" in head else json.dumps(answer).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(octets), octets))
    await writer.drain()


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, str]]:
    """All of them."""
    with in_a_thread(clamd=clamd, spamd=spamd, web=web, milter=Milter()) as found:
        yield found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("scanners") / "home"
    words = ["--home", str(made), "setup", "--domain", "example.test", "--hostname", "mail.example.test", "--yes"]
    result = CliRunner().invoke(build_app(), [*words, "--port-base", "33100"])
    assert result.exit_code == 0, result.output
    return made


def run(home: Path, *words: str, stdin: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), ["--home", str(home), "policy", *words], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def use(home: Path, **values: str) -> None:
    with open_site(load_node(Home(home))) as site:
        for key, value in values.items():
            site.settings.set_setting(key.replace("__", "."), value, "test", "")


def test_without_scanners_there_is_nothing_to_test(home: Path) -> None:
    status, said = run(home, "scanners")
    assert (status, said) == (0, "")


def test_each_is_tested_with_something_to_find(home: Path, places: dict[str, str]) -> None:
    use(
        home,
        clamav__server=places["clamd"],
        spamassassin__server=places["spamd"],
        milters__server_rules=places["milter"],
    )
    use(home, hook__url=f"http://{places['web']}/mail")
    status, said = run(home, "scanners", "--json")
    rows = {row["scanner"]: row for row in json.loads(said)}
    assert status == 0
    assert {name: row["says"] for name, row in rows.items()} == {
        "ClamAV": "found the test file of EICAR (Eicar-Test-Signature)",
        "milter": "agreed; it may add fields, change fields, have mail held",
        "hook": "answered pass: no secret",
        "SpamAssassin": "found the test line GTUBE (1000 of 5 points)",
    }
    notes = examine(load_node(Home(home))).notes
    assert f"ClamAV at {places['clamd']} answers." in notes
    assert f"SpamAssassin at {places['spamd']} answers." in notes

    use(home, rspamd__server=places["web"])
    status, said = run(home, "scanners")
    assert status == 1
    assert "it gives the test line GTUBE only 1 of 6 points" in said


def test_what_is_away_is_a_problem_of_status(home: Path, places: dict[str, str]) -> None:
    use(
        home,
        clamav__server="/nowhere/clamd.ctl",
        hook__url=f"http://{places['web']}/mail",
        rspamd__server=places["web"],
    )
    problems, notes = (found := examine(load_node(Home(home)))).problems, found.notes
    assert [one for one in problems if "ClamAV" in one] == [
        "ClamAV at /nowhere/clamd.ctl cannot be asked, so mail is put off: no connection to /nowhere/clamd.ctl:"
        " no such file or directory."
    ]
    assert f"rspamd at {places['web']} answers pong." in notes
    assert f"hook at http://{places['web']}/mail takes connections." in notes


def test_the_secret_of_the_hook_is_kept_and_forgotten(home: Path, places: dict[str, str]) -> None:
    use(home, clamav__server="", rspamd__server="", hook__url=f"http://{places['web']}/mail")
    assert run(home, "hook-secret", "--secret-stdin", stdin="s3cret\n")[0] == 0
    _, said = run(home, "scanners", "--json")
    assert "answered pass: secret" in said
    assert run(home, "hook-secret", "--remove")[0] == 0
    assert "answered pass: no secret" in run(home, "scanners", "--json")[1]
    use(home, hook__url="")
    with pytest.raises(EstafetaError, match=r"set hook\.url first"):
        run(home, "hook-secret", "--secret-stdin", stdin="x\n")
