"""What an operator should hear about DKIM keys: records that DNS lacks, and keys that this machine cannot open.

Pure: DNS was asked by the job that tends keys (`keykeeping`), which left in each row what it saw.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from estafeta.directory.keystates import LACKING, KeyState, StoredKey, of_state

# Names in one sentence.
_SHOWN = 3


class KeyWarnings(NamedTuple):
    """What is wrong (`problems`), and what is only worth knowing (`notes`), in sentences."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]


def warnings(keys: Sequence[StoredKey], locked: Iterable[StoredKey], unsigned: Iterable[str]) -> KeyWarnings:
    """About all keys of the site. `locked`: those that this machine cannot open; `unsigned`: domains that settings
    leave out."""
    skipped = set(unsigned)
    keys = [key for key in keys if key.domain not in skipped]
    active = of_state(keys, KeyState.ACTIVE)
    signing = {key.domain for key in active}
    broken = {key.domain for key in active if key.seen in LACKING}
    waiting = {key.domain for key in of_state(keys, KeyState.PREPARED) if key.seen in LACKING}
    closed = {key.domain for key in locked if key.domain not in skipped}
    problems, notes = [], []
    if broken:
        problems.append(
            f"DNS lacks the record of a DKIM key that signs mail of {_names(broken)}, so others find the signature"
            f" wrong: publish what {_show(broken)} prints."
        )
    if mute := waiting - signing:
        problems.append(
            f"Mail of {_names(mute)} is not signed (DKIM), as DNS has no record of a key: publish what {_show(mute)}"
            " prints."
        )
    if closed:
        problems.append(
            f"This machine cannot open DKIM keys of {_names(closed)}, since they were made with another node.key: its"
            " mail leaves without their signatures. Copy node.key from the machine that made them, and restart."
        )
    if later := (waiting & signing) - broken:
        notes.append(
            f"A new DKIM key of {_names(later)} waits for its record in DNS, and the old one goes on: publish what"
            f" {_show(later)} prints."
        )
    return KeyWarnings(tuple(problems), tuple(notes))


def _names(domains: Iterable[str]) -> str:
    names = sorted(domains)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _show(domains: Iterable[str]) -> str:
    names = sorted(domains)
    return f"`estafeta dkim show {names[0]}`" + (" (and so on)" if len(names) > 1 else "")
