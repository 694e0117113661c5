"""An older database becomes one of this version, and keeps what it holds."""

from collections.abc import Iterator
from itertools import count

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from estafeta.mailboxes import look
from estafeta.mailboxes.values import ALL
from estafeta.storage import migrate
from estafeta.storage.database import Database

_NUMBERS = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path) -> Iterator[str]:
    """An empty database with the schema of 0001."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/old.db"
    else:
        postgres = request.getfixturevalue("postgres")
        name = f"old_{next(_NUMBERS)}"
        url = postgres.create(name, "template1")
    config = Config()
    config.set_main_option("script_location", str(migrate._HOME))
    config.attributes["url"] = url
    command.upgrade(config, "0001")
    yield url
    if request.param == "postgresql":
        postgres.drop(name)


def test_0002_keeps_subscriptions_and_names_keywords(old_url: str) -> None:
    engine = create_engine(old_url, poolclass=NullPool)
    with engine.begin() as conn:
        for mailbox, name, shown in ((1, "INBOX", True), (2, "Sent", True), (3, "Hidden", False)):
            conn.execute(
                text("INSERT INTO mailboxes VALUES (7, :mailbox, :name, 'Sent', :shown, 11, 4, 9, 3, 3, 0, 30)"),
                {"mailbox": mailbox, "name": name, "shown": shown},
            )
        for uid, words in ((1, "b a"), (2, ""), (3, "B $Junk")):
            conn.execute(
                text("INSERT INTO messages VALUES (7, 1, :uid, 5, 2, 2, 0, :words, 1, 1, 10)"),
                {"uid": uid, "words": words},
            )
    engine.dispose()
    migrate.upgrade(old_url)
    migrate.check(old_url)
    database = Database(old_url)
    assert look.subscriptions(database, 7) == ["INBOX", "Sent"]
    [hidden, inbox, sent] = look.list_mailboxes(database, 7)
    assert sorted(inbox.keywords.lower().split()) == ["$junk", "a", "b"]
    words = [row[0].split() for row in look.fetch_rows(database, 7, 1, ("keywords",), ALL)]
    assert [len(some) for some in words] == [2, 0, 2]
    assert {word for some in words for word in some} == set(inbox.keywords.split()), "one spelling"
    assert (hidden.name, sent.keywords, sent.special_use, sent.recent_uid) == ("Hidden", "", "Sent", 0)
    assert (inbox.uid_validity, inbox.uid_next, inbox.modseq, inbox.messages, inbox.bytes) == (11, 4, 9, 3, 30)
    database.close()
