"""Points of every check and rule of this package by name: the defaults, and those that the operator gave.

Defaults are such that no soft rule alone, nor two of them, make junk of a message (policy.junk_score is 5): only what
good mail as good as never has comes near it.
"""

from functools import lru_cache

from estafeta.directory.settings_model import Settings


@lru_cache(maxsize=16)
def changed_points(lines: tuple[str, ...]) -> dict[str, float]:
    """The points that `spam.points_rules` gives, by name."""
    changed = {}
    for line in lines:
        name, _, points = line.partition("=")
        changed[name] = float(points)
    return changed


def points_of(name: str, default: float, settings: Settings) -> float:
    """What a rule counts on this site; 0: it is switched off."""
    return changed_points(settings.spam.points_rules).get(name, default)
