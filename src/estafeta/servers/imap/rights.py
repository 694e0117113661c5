"""The rights of access control lists (RFC 4314 2.1), and how clients of RFC 2086 see them."""

from estafeta.protocols.imap.replies import bad
from estafeta.servers.imap.errors import ReplyError

ORDER = "lrswipkxtea"
ALL_RIGHTS = frozenset(ORDER)
# RFC 4314 2.1.1: the rights of RFC 2086 that were taken apart since. We let `x` go with `k`.
_OLD = {"c": frozenset("kx"), "d": frozenset("te")}


def parse_rights(text: str) -> frozenset[str]:
    """The rights that a client names; `c` and `d` stand for what became of them. RFC 4314 3.1: BAD for one that there
    is not."""
    rights: set[str] = set()
    for letter in text:
        if letter in _OLD:
            rights |= _OLD[letter]
        elif letter in ALL_RIGHTS:
            rights.add(letter)
        else:
            raise ReplyError(bad(f"The rights are {ORDER}."))
    return frozenset(rights)


def encode_rights(rights: frozenset[str]) -> bytes:
    """For MYRIGHTS and ACL. RFC 4314 2.1.1: with `c` and `d` where any of their parts is given."""
    new = "".join(letter for letter in ORDER if letter in rights)
    return (new + "".join(letter for letter, parts in _OLD.items() if parts & rights)).encode()
