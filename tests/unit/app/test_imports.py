"""What a server has in memory is mostly code: its processes have none that they do not need."""

import subprocess
import sys

#: Each of these is 0.5 to 15 MiB in every process for as long as it runs.
DEAR = [
    "alembic",
    "psycopg",
    "pypdf",
    "rich",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.orm",
]
#: Only where a listener speaks HTTP.
WEB = ["starlette", "uvicorn"]


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
