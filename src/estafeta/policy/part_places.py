"""Where the leaves of a message stand, by what the scan of it says. Pure."""

from collections.abc import Iterator, Sequence

from estafeta.core.errors import EstafetaError
from estafeta.mail.scan import MessageSummary
from estafeta.mail.structure import Part as Place
from estafeta.mail.structure import parse_structure


def root_of(summary: MessageSummary) -> tuple[Place | None, Sequence[str]]:
    """The outermost part, None where it cannot be read, and what is wrong."""
    try:
        return parse_structure(summary.structure).root, summary.defects
    except EstafetaError:
        return None, summary.defects


def is_wrapped(place: Place) -> bool:
    """RFC 2046 5.2.1 forbids encodings for message/rfc822; some who have something to hide use one."""
    return place.encoding in ("base64", "quoted-printable")


def leaves(place: Place, path: str, depth: int, *, in_message: bool = True) -> Iterator[tuple[Place, str, int]]:
    """Leaves, their numbers as in IMAP (RFC 9051 6.4.5.1), and how deep they are."""
    if place.parts:
        dot = "" if not path or path.endswith("/") else "."
        for number, child in enumerate(place.parts, 1):
            yield from leaves(child, f"{path}{dot}{number}", depth + 1, in_message=False)
        return
    if in_message:
        path = f"{path}1" if not path or path.endswith("/") else f"{path}.1"
    yield place, path, depth
    if place.message is not None and not is_wrapped(place):
        yield from leaves(place.message, path, depth + 1)
