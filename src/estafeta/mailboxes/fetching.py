"""Rows of messages for FETCH: chosen columns, ranges of UIDs, plain tuples of the driver.

Ten thousand rows cost about what the database and the driver need; contents are joined only for columns that are there.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import select

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.selection import Selected
from estafeta.mailboxes.tables import messages
from estafeta.mailboxes.values import Ranges
from estafeta.storage.database import Database
from estafeta.storage.tables import contents

_OF_MESSAGE = (
    "uid",
    "flags",
    "keywords",
    "modseq",
    "internal_date_ms",
    "save_date_ms",
    "size",
    "content_id",
)
_OF_CONTENT = ("envelope", "bodystructure", "structure", "preview", "header_size", "pack_id", "offset", "length")
_COLUMNS: dict[str, Any] = {
    **{name: messages.c[name] for name in _OF_MESSAGE},
    **{name: contents.c[name] for name in _OF_CONTENT},
    "content_size": contents.c.size,
}
#: The columns that make a `Location`, in its order.
PLACE = ("content_id", "pack_id", "offset", "length", "content_size")


def fetch_rows(
    database: Database, account_id: AccountId, mailbox_id: MailboxId, columns: tuple[str, ...], ranges: Ranges
) -> list[tuple[Any, ...]]:
    """These columns of the messages in `ranges`, in this order, by UID; nothing where there is no such mailbox.

    Of the message: uid, flags, keywords (separated by spaces), modseq, internal_date_ms, save_date_ms, size (octets),
    content_id. Of its content: envelope, bodystructure, structure, preview, header_size, pack_id, offset, length,
    content_size. KeyError for others.
    """
    with database.read() as conn:
        return _statement(columns).rows(conn, account_id, mailbox_id, ranges)


@lru_cache(maxsize=256)
def _statement(columns: tuple[str, ...]) -> Selected:
    wanted = select(*(_COLUMNS[name] for name in columns))
    if not all(name in _OF_MESSAGE for name in columns):
        wanted = wanted.join_from(messages, contents, contents.c.content_id == messages.c.content_id)
    return Selected(lambda here: wanted.where(here).order_by(messages.c.uid))
