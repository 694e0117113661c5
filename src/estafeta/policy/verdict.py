"""The outcome of a check, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accept (a 2xx code) or refuse. `text` is for the peer, `reason` for the log only."""

    code: int
    enhanced: str
    text: str
    reason: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the peer may go on."""
        return self.code < 400
