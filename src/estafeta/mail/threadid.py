"""The ids that make threads, out of a stored structure (estafeta.mail.structure), and THREADID (RFC 8474 5.2).

A thread's id comes from nothing but the message: the first Message-ID of its References and In-Reply-To, or its own.
So it never changes, costs no table, and is the same in all mailboxes. Messages whose References name different roots
are in different threads, though THREAD may show them together.
"""

import json
import re
from base64 import b32encode
from hashlib import sha256

from estafeta.core.errors import EstafetaError, Kind

_CHARACTERS = 26
"""130 bits: two threads do not come to have the same id."""
_PLAIN = re.compile(rb'\{"v":\d+,"mid":"([^"\\]*)","refs":\[(?:"([^"\\]*)")?')
# What looks like this in a string has a backslash before its quotes.
_PART = b',"part":'


def thread_id(structure: bytes, content_id: int) -> str:
    """THREADID of a message, by its stored structure and, where that has no Message-ID, the id of its content.

    Raises EstafetaError(INVALID) when the structure is damaged.
    """
    plain = _PLAIN.match(structure)
    if plain is not None and not structure.startswith(b'"', plain.end()):
        own, first = plain.group(1), plain.group(2)
        known = first or (own if own[:1] == b"<" else b"")
    else:
        message_id, references = message_ids(structure)
        own_text = message_id if message_id.startswith("<") else ""
        known = (references[0] if references else own_text).encode("utf-8", "surrogatepass")
    digest = sha256(known or b"content %d" % content_id).digest()
    return "T" + b32encode(digest[:20])[:_CHARACTERS].decode("ascii").lower()


def message_ids(structure: bytes) -> tuple[str, list[str]]:
    """The message's own id, "" without one, and those of References and In-Reply-To, the oldest first.

    Reads only the beginning of the text. Raises EstafetaError(INVALID) when that is damaged.
    """
    end = structure.find(_PART)
    try:
        stored = json.loads(structure[: max(end, 0)] + b"}")
        return stored["mid"], stored["refs"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EstafetaError(Kind.INVALID, "The stored structure of a message is damaged.", repr(error)) from None
