"""Which mail is sent on for others, and so goes out with a sender of ours (docs/internals/signing.md)."""

from collections.abc import Callable, Iterable

from estafeta.intake.conditions import Onward, Recipient
from estafeta.mail.address import Address

# Keys of next hops at servers of others.
_ELSEWHERE = ("mx:", "host:")


def is_forwarded(
    sender: Address | None, onward: Iterable[tuple[Recipient, Onward]], is_local: Callable[[str], bool]
) -> bool:
    """Whether an address of ours sends mail of others on to a server of others. Pairs of who was written to, and where
    that leads; what only passes through has the same address in both."""
    if sender is None or not sender.domain:
        return False
    elsewhere = any(
        one.hop.startswith(_ELSEWHERE) and one.address.lower() != str(to.address).lower() for to, one in onward
    )
    return elsewhere and not is_local(sender.domain)
