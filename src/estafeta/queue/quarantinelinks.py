"""Links by which a recipient decides about a held message: `/held/TOKEN`, signed with the message's own secret.

`1a203c975b101000-0-3nzq7w5xk2v4m6aab5cdefghij` is the ident, the number of the recipient, and 130 bits of HMAC-SHA-256
in base 32 over both and the day on which the message is deleted. The secret goes with the message, and with it all its
links; nothing else has to be remembered. A GET shows what a link permits and changes nothing, since programs that look
for malware open every link; a POST does it.
"""

import hmac
import re
from base64 import b32encode
from typing import NamedTuple

from sqlalchemy import Connection

from estafeta.queue.quarantinelook import HeldMessage, find_one
from estafeta.queue.values import Place

_MAC_CHARACTERS = 26
_FORM = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,8})-([a-z2-7]{26})")
_LAST = 1 << 63


class Offer(NamedTuple):
    """What a link permits: to decide about this message for this recipient."""

    held: HeldMessage
    address: str
    place: Place


def make_token(held: HeldMessage, number: int) -> str:
    """The token for one recipient's link."""
    return f"{held.entry_id:x}-{number:x}-{_mac(held, number)}"


def check_token(conn: Connection, text: str, now_ms: int) -> Offer | None:
    """What a token permits now; None for one that is false or too old, or of a message that is not held any more, or
    that its recipients may not release."""
    match = _FORM.fullmatch(text.strip().lower())
    if match is None or int(match[1], 16) >= _LAST:
        return None
    number = int(match[2], 16)
    held = find_one(conn, int(match[1], 16))
    if held is None or not hmac.compare_digest(_mac(held, number), match[3]):
        return None
    address = next((one.address for one in held.recipients if one.number == number), None)
    if address is None or not held.by_users or now_ms >= held.expires_ms:
        return None
    return Offer(held, address, Place(held.entry_id, number))


def _mac(held: HeldMessage, number: int) -> str:
    said = f"held\n{held.entry_id}\n{number}\n{held.expires_ms}"
    digest = hmac.digest(held.secret, said.encode("ascii"), "sha256")
    return b32encode(digest).decode("ascii").lower()[:_MAC_CHARACTERS]
