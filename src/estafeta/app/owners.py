"""Whose account is whose, for a person to read."""

from sqlalchemy import select

from estafeta.app.stores import Site
from estafeta.directory.tables import users


def owner_of(site: Site, account: int) -> str:
    """The address of a user, also of a removed one; `this site` for 0, which is everybody's."""
    if not account:
        return "this site"
    wanted = select(users.c.local, users.c.domain).where(users.c.account_id == account)
    with site.database.read() as conn:
        row = conn.execute(wanted).first()
    return f"{row.local}@{row.domain}" if row else f"account {account}"
