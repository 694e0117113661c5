"""What a server has in memory is mostly code: its processes have none that they do not need."""

import subprocess
import sys

import pytest

from estafeta.cli.main import _serving

#: Each of these is 0.5 to 15 MiB in every process for as long as it runs.
DEAR = [
    "alembic",
    "psycopg",
    "pydantic",
    "pydantic_core",
    "pypdf",
    "rich",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.orm",
    "typer",
]
#: Only where a listener speaks HTTP.
WEB = ["click", "starlette", "uvicorn"]


def imported(*modules: str) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_server_has_no_code_that_it_does_not_need() -> None:
    processes = ("serve", "supervisor", "worker", "writer", "indexer")
    found = imported("estafeta.cli.main", *(f"estafeta.app.{name}" for name in processes))
    assert not found.intersection(DEAR + WEB)


def test_nor_has_its_web() -> None:
    assert not imported("estafeta.app.web").intersection(DEAR)


@pytest.mark.parametrize(
    ("words", "serves"),
    [
        ("estafeta serve", True),
        ("estafeta --home /x serve", True),
        ("/usr/bin/estafeta --home /x serve --workers 2", True),
        ("/src/estafeta/__main__.py serve --workers 256", True),
        # A mistake, help and what is rare are for the command line, which says the same as ever.
        ("estafeta serve --workers 0", False),
        ("estafeta serve --workers many", False),
        ("estafeta serve --help", False),
        ("estafeta --debug serve", False),
        ("estafeta --home serve", False),
        ("estafeta status", False),
        ("estafeta", False),
        # A recipient, and a user of the system.
        ("/usr/sbin/sendmail serve", False),
        ("mailq serve", False),
    ],
)
def test_the_server_starts_without_the_command_line(words: str, serves: bool) -> None:
    assert (_serving(words.split()) is not None) is serves
