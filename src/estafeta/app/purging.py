"""A removed user is forgotten for good: what each package keeps of an account, in an order that can be begun again."""

from estafeta.app.stores import Site
from estafeta.mailboxes.change import PurgeAccount, purge_account
from estafeta.policy.senderlists import remove_account
from estafeta.search.service import forget_account
from estafeta.storage.commit import Item


def purge_user(site: Site, address: str) -> int:
    """Forget a removed user with all mail; returns how many messages went. An interrupted purge can be repeated."""
    user = site.directory.get_removed_user(address)
    with site.database.write() as tx:
        [gone] = purge_account(tx, [Item(PurgeAccount(user.account_id, str(user.address)), ())])
        remove_account(tx, user.account_id)
    site.directory.purge_user(address)
    forget_account(site.database, site.node.data / "search", user.account_id)
    return int(gone)
