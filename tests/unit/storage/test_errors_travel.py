"""Errors and operations go through a pickle between writer and workers, and come out as they went in."""

import pickle

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import PackId
from estafeta.mailboxes import annotations, appending, change, copying, folders, sharing, storing, urlkeys
from estafeta.mailboxes.deliver import deliver
from estafeta.storage.database import ConflictError, DiskFullError
from estafeta.storage.packs import DamagedRecordError, Location, content_id


@pytest.mark.parametrize(
    "error",
    [
        EstafetaError(Kind.QUOTA, "The mailbox is full.", "private"),
        DiskFullError("cause"),
        ConflictError("cause"),
        DamagedRecordError(Location(content_id(1, 0), PackId(1), 0, 100, 100), "torn"),
    ],
)
def test_errors(error: EstafetaError) -> None:
    back = pickle.loads(pickle.dumps([error]))[0]
    assert type(back) is type(error)
    assert (back.kind, back.public, back.private, str(back)) == (error.kind, error.public, error.private, str(error))
    assert back.__dict__ == error.__dict__


@pytest.mark.parametrize(
    "operation",
    [
        deliver,
        change.expunge,
        change.purge_account,
        copying.copy_messages,
        storing.store_flags,
        appending.append_messages,
        folders.create_mailbox,
        folders.rename_mailbox,
        folders.rename_below,
        folders.delete_mailbox,
        folders.set_subscribed,
        folders.claim_recent,
        sharing.set_acl,
        annotations.set_annotations,
        urlkeys.url_key,
        urlkeys.reset_url_keys,
    ],
)
def test_operations(operation: object) -> None:
    assert pickle.loads(pickle.dumps(operation)) is operation
