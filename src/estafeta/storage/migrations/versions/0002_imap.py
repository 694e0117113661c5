"""What IMAP needs: keywords and \\Recent of a mailbox, subscriptions, shared mailboxes, annotations, keys of URLs; and
references of copies."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BOXES = sa.table(
    "mailboxes",
    sa.column("account_id", sa.BigInteger()),
    sa.column("mailbox_id", sa.Integer()),
    sa.column("name", sa.Text()),
    sa.column("subscribed", sa.Boolean()),
    sa.column("keywords", sa.Text()),
)
_MESSAGES = sa.table(
    "messages",
    sa.column("account_id", sa.BigInteger()),
    sa.column("mailbox_id", sa.Integer()),
    sa.column("keywords", sa.Text()),
)


def upgrade() -> None:
    """Make the tables, fill them from what there is, and drop the column that became one of them."""
    op.create_table(
        "subscriptions",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name"),
    )
    op.create_table(
        "acl",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mailbox_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identifier", sa.String(length=320), nullable=False),
        sa.Column("rights", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "mailbox_id", "identifier"),
    )
    op.create_index("acl_identifier", "acl", ["identifier"], unique=False)
    op.create_table(
        "annotations",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mailbox_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "mailbox_id", "person_id", "entry"),
    )
    op.create_index("annotations_person", "annotations", ["person_id"], unique=False)
    op.create_table(
        "urlauth_keys",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mailbox_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "mailbox_id", "person_id"),
    )
    op.create_index("urlauth_keys_person", "urlauth_keys", ["person_id"], unique=False)
    op.create_table(
        "more_refs",
        sa.Column("content_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("refs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("content_id"),
        sqlite_with_rowid=False,
    )
    _keep_subscriptions()
    # SQLite makes the table anew: it must stay clustered by its key.
    with op.batch_alter_table("mailboxes", table_kwargs={"sqlite_with_rowid": False}) as batch:
        batch.drop_column("subscribed")
        batch.alter_column("special_use", type_=sa.String(length=80), existing_type=sa.String(length=32))
        batch.add_column(sa.Column("keywords", sa.Text(), server_default=sa.text("''"), nullable=False))
        batch.add_column(sa.Column("recent_uid", sa.BigInteger(), server_default="0", nullable=False))
    _name_keywords()


def _keep_subscriptions() -> None:
    subscriptions = sa.table("subscriptions", sa.column("account_id", sa.BigInteger()), sa.column("name", sa.Text()))
    shown = sa.select(_BOXES.c.account_id, _BOXES.c.name).where(_BOXES.c.subscribed)
    op.execute(sa.insert(subscriptions).from_select(["account_id", "name"], shown))


def _name_keywords() -> None:
    """One spelling of each keyword, in messages too: the first in the alphabet, since nobody knows which came first."""
    m = _MESSAGES.c
    used = sa.select(m.account_id, m.mailbox_id, m.keywords).where(m.keywords != "").distinct()
    names: dict[tuple[int, int], dict[str, str]] = {}
    for account_id, mailbox_id, keywords in op.get_bind().execute(used.order_by(*m)).all():
        known = names.setdefault((account_id, mailbox_id), {})
        for word in keywords.split():
            known.setdefault(word.lower(), word)
        spelled = " ".join(sorted({known[word.lower()] for word in keywords.split()}))
        if spelled != keywords:
            here = sa.and_(m.account_id == account_id, m.mailbox_id == mailbox_id, m.keywords == keywords)
            op.execute(sa.update(_MESSAGES).where(here).values(keywords=spelled))
    for (account_id, mailbox_id), known in names.items():
        op.execute(
            sa.update(_BOXES)
            .where(_BOXES.c.account_id == account_id, _BOXES.c.mailbox_id == mailbox_id)
            .values(keywords=" ".join(known.values()))
        )
