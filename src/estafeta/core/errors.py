"""Domain errors: a kind, a sentence that may be shown to anyone, and the private cause.

Each server and the command line map the kinds to their own replies in one place. The public sentence says what
happened and what to do; it never holds a path, a password or a traceback. The private cause goes to the log only.
"""

from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Why something could not be done, in words that know no protocol."""

    NOT_FOUND = "not_found"
    EXISTS = "exists"
    PERMISSION = "permission"
    QUOTA = "quota"
    TOO_BIG = "too_big"
    LIMIT = "limit"
    IN_USE = "in_use"
    INVALID = "invalid"
    TEMPORARY = "temporary"
    UNAVAILABLE = "unavailable"


class EstafetaError(Exception):
    """Something that a person or a peer caused or can mend.

    `public` is one sentence for them. `private` is the cause for the operator's log and may be empty.
    """

    def __init__(self, kind: Kind, public: str, private: str = "") -> None:
        super().__init__(public)
        self.kind = kind
        self.public = public
        self.private = private

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross from the writer process to the workers, subclasses with whatever they are made of."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[EstafetaError], args: tuple[Any, ...], state: dict[str, Any]) -> EstafetaError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
