"""What a measurement was made on, in one line: without it a figure means nothing."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def describe(directory: Path) -> str:
    """Processor, cores, memory, kernel, the file system of `directory`, other load, date."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = os.getloadavg()[0]
    parts = [
        _processor(),
        f"{len(os.sched_getaffinity(0))} cores",
        f"{memory:.0f} GiB",
        f"Linux {platform.release()}",
        f"{_file_system(directory)} at {directory.parent}",
        f"Python {platform.python_version()}",
        f"load average {busy:.1f} before",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    ]
    return ", ".join(parts)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(directory: Path) -> str:
    """The type of the file system that `directory` is on: the longest mount point that is a prefix."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = {str(path) for path in (directory, *directory.parents)}
    return max((fields for fields in mounts if fields[1] in above), key=lambda fields: len(fields[1]))[2]
