"""In whose name a user may send besides its own addresses: an alias of several, a group, a list, another user (A6)."""

from sqlalchemy import delete, insert

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory import accounts
from estafeta.directory.changes import Part, View
from estafeta.directory.restriction_tables import send_grants
from estafeta.mail.address import domain_key, parse_address

#: Grants of one user: all of them are read at each sign-in.
MAX_GRANTS = 1000


class GrantMethods(Part):
    """Who may send as whom. An identity is an address, or `@example.org` for every address of that domain."""

    def grant_sending(self, user: str, identity: str) -> str:
        """Let a user send as `identity`; the identity as it is kept. EstafetaError INVALID, NOT_FOUND, EXISTS, LIMIT.

        An address in a domain of ours has to exist; addresses of others are the operator's word."""
        with self._changing() as view:
            account_id = view.user(user).account_id
            key = _identity(view, identity)
            has = accounts.read_grants(view.conn, account_id)
            if key in has:
                raise EstafetaError(Kind.EXISTS, f"{user} may send as {key} already.")
            if len(has) >= MAX_GRANTS:
                raise EstafetaError(Kind.LIMIT, f"A user has at most {MAX_GRANTS} of these; grant a whole @domain.")
            view.conn.execute(insert(send_grants).values(account_id=account_id, identity=key))
            return key

    def revoke_sending(self, user: str, identity: str) -> str:
        """Take it away again. EstafetaError NOT_FOUND where it was not granted."""
        with self._changing() as view:
            account_id = view.user(user).account_id
            key = _key(view, identity)
            columns = send_grants.c
            found = view.conn.execute(
                delete(send_grants).where(columns.account_id == account_id, columns.identity == key)
            )
            if not found.rowcount:
                raise EstafetaError(Kind.NOT_FOUND, f"{user} was not granted to send as {key}.")
            return key

    def list_sending(self, user: str) -> tuple[str, ...]:
        """As whom a user may send besides its own addresses."""
        with self._reading() as view:
            return tuple(sorted(accounts.read_grants(view.conn, view.user(user).account_id)))


def _key(view: View, text: str) -> str:
    text = text.strip()
    if text.startswith("@"):
        # Names are checked where addresses are.
        return f"@{domain_key(parse_address(f'x{text}').domain)}"
    return view.address(text).key


def _identity(view: View, text: str) -> str:
    """The identity as it is kept, which must be somebody's here if its domain is ours."""
    key = _key(view, text)
    local, _, domain = key.rpartition("@")
    if local and view.locality.find_domain(domain) is not None:
        named = view.name(text)
        if accounts.find_address(view.conn, named.key) is None:
            raise EstafetaError(Kind.NOT_FOUND, f"There is no {named.address} here.")
    return key
