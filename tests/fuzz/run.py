"""Runs every fuzz target, one after the other: `python tests/fuzz/run.py [--seconds N]`, a minute each by default.

A target (see fuzzing.py) ends with a status other than 0 and prints its input when its invariant does not hold.
"""

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run them all; 1 when one of them found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    seconds = parser.parse_args().seconds
    failed = []
    for target in sorted(Path(__file__).parent.glob("fuzz_*.py")):
        print(f"{target.name}: {seconds} s", flush=True)
        if subprocess.run([sys.executable, str(target), "--seconds", str(seconds)], check=False).returncode:
            failed.append(target.name)
    print(f"found something: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
