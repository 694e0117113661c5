"""Operations that take their items one by one, as most changes of mailboxes do."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

from estafeta.core.errors import EstafetaError, Kind
from estafeta.storage.commit import Item
from estafeta.storage.database import Transaction

P = TypeVar("P")
# Not the fault of one item: the whole batch fails, or is tried again.
_OF_ALL = {Kind.TEMPORARY, Kind.UNAVAILABLE}


def each(apply: Callable[[Transaction, P], Any]) -> Callable[[Transaction, Sequence[Item]], list[Any]]:
    """An operation of the group commit that calls `apply(tx, payload)` for each item.

    A domain error is the result of its item; `apply` raises it before it has written anything."""

    @wraps(apply)
    def operation(tx: Transaction, items: Sequence[Item]) -> list[Any]:
        return [_attempt(apply, tx, item.payload) for item in items]

    return operation


def each_stored(apply: Callable[[Transaction, Item], Any]) -> Callable[[Transaction, Sequence[Item]], list[Any]]:
    """As `each`, for payloads that come with contents: `apply(tx, item)`."""

    @wraps(apply)
    def operation(tx: Transaction, items: Sequence[Item]) -> list[Any]:
        return [_attempt(apply, tx, item) for item in items]

    return operation


def _attempt(apply: Callable[[Transaction, P], Any], tx: Transaction, payload: P) -> Any:
    try:
        return apply(tx, payload)
    except EstafetaError as error:
        if error.kind in _OF_ALL:
            raise
        return error
