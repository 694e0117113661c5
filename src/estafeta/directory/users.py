"""The directory's users: added, changed, redirected, disabled, removed, purged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory import accounts, names
from estafeta.directory.changes import Named, Part, View
from estafeta.directory.credentials import CredentialMaker
from estafeta.directory.domains import check_room
from estafeta.directory.model import (
    ALL_SERVICES,
    INHERIT,
    AddressKind,
    CredentialKind,
    RedirectMode,
    Service,
    User,
    UserState,
)
from estafeta.directory.passwords import check_new_password, normalise_hash
from estafeta.directory.restriction_tables import send_grants
from estafeta.directory.sequences import next_value
from estafeta.directory.tables import addresses, redirects, users

LANGUAGES = ("en", "es", "ja")
_MAX_QUOTA_BYTES = 1 << 50
_MAX_QUOTA_MESSAGES = 1 << 40


class UserMethods(Part):
    """What can be done with users."""

    credentials: CredentialMaker

    def add_user(
        self,
        address: str,
        *,
        password: str | None = None,
        password_hash: str | None = None,
        display_name: str = "",
        quota_bytes: int = INHERIT,
        quota_messages: int = INHERIT,
        language: str = "en",
        services: Iterable[Service] = ALL_SERVICES,
    ) -> User:
        """A new user: with a password, with an imported hash, or without either until `set_password`.

        EstafetaError INVALID, EXISTS (also for an alias of that name), NOT_FOUND (domain), LIMIT (`max_users`).
        """
        rows = self._credential_rows(password, password_hash)
        values = _checked(display_name, quota_bytes, quota_messages, language, services)
        with self._changing() as view:
            named = view.free_name(address)
            check_room(view.conn, named.address.domain)
            account_id = _insert_user(view.conn, named, values, self._now())
            if rows:
                accounts.store_credentials(view.conn, account_id, rows, self._now())
            return view.user_of(account_id)

    def change_user(
        self,
        address: str,
        *,
        display_name: str | None = None,
        quota_bytes: int | None = None,
        quota_messages: int | None = None,
        language: str | None = None,
        services: Iterable[Service] | None = None,
        preferred_address: str | None = None,
    ) -> User:
        """Change what is given. `preferred_address` is what the user's mail is from; it may be elsewhere."""
        values = _checked(display_name, quota_bytes, quota_messages, language, services)
        with self._changing() as view:
            user = view.user(address)
            if preferred_address is not None:
                values["preferred_address"] = str(view.address(preferred_address))
            if values:
                view.conn.execute(update(users).where(users.c.account_id == user.account_id).values(**values))
            return view.user_of(user.account_id)

    def set_password(self, address: str, password: str) -> None:
        """Give the user a password. EstafetaError INVALID: too short or not usable."""
        rows = self._credential_rows(password, None)
        with self._changing() as view:
            account_id = view.user(address).account_id
            accounts.drop_credentials(view.conn, account_id, CredentialKind.PASSWORD, CredentialKind.SCRAM_SHA_256)
            accounts.store_credentials(view.conn, account_id, rows, self._now())

    def make_apop_secret(self, address: str) -> str:
        """A new APOP secret of the user, to be shown once. EstafetaError PERMISSION if `pop3.apop` is off."""
        if not self._settings.current.pop3.apop:
            raise EstafetaError(Kind.PERMISSION, "APOP is off; `estafeta config set pop3.apop on` allows it.")
        with self._changing() as view:
            account_id = view.user(address).account_id
            secret, row = self.credentials.make_apop(account_id)
            accounts.store_credentials(view.conn, account_id, {CredentialKind.APOP: row}, self._now())
        return secret

    def disable_user(self, address: str) -> User:
        """No sign-in, and mail is refused, until `enable_user`."""
        return self._set_state(address, UserState.DISABLED)

    def enable_user(self, address: str) -> User:
        """Undo `disable_user`."""
        return self._set_state(address, UserState.ACTIVE)

    def remove_user(self, address: str) -> User:
        """Delivery and sign-in stop; the mailbox stays until `purge_user`, the name is free for others."""
        with self._changing() as view:
            user = view.user(address)
            values = {"state": UserState.REMOVED, "removed_seconds": self._now()}
            view.conn.execute(update(users).where(users.c.account_id == user.account_id).values(**values))
            accounts.drop_credentials(view.conn, user.account_id)
            return view.user_of(user.account_id)

    def restore_user(self, address: str) -> User:
        """Undo `remove_user`; the user needs a new password. EstafetaError EXISTS if the address is someone else's."""
        with self._changing() as view:
            user = _removed_user(view, address)
            named = view.free_name(user.address)
            check_room(view.conn, named.address.domain)
            names.insert_address(view.conn, named.key, named.address, AddressKind.USER, user.account_id)
            values = {"state": UserState.ACTIVE, "removed_seconds": 0}
            view.conn.execute(update(users).where(users.c.account_id == user.account_id).values(**values))
            return view.user_of(user.account_id)

    def get_removed_user(self, address: str) -> User:
        """The user removed last from `address` and not purged. EstafetaError NOT_FOUND."""
        with self._reading() as view:
            return _removed_user(view, address)

    def purge_user(self, address: str) -> AccountId:
        """Forget a removed user; the account, never used again. Purge its mailboxes before: afterwards nobody knows it.

        EstafetaError IN_USE if the user was not removed first.
        """
        with self._changing() as view:
            account_id = _removed_user(view, address).account_id
            for table in (addresses, redirects, send_grants, users):
                view.conn.execute(delete(table).where(table.c.account_id == account_id))
            accounts.drop_credentials(view.conn, account_id)
            return account_id

    def add_address(self, user: str, address: str) -> User:
        """A further address of a user."""
        with self._changing() as view:
            account_id = view.user(user).account_id
            named = view.free_name(address)
            names.insert_address(view.conn, named.key, named.address, AddressKind.USER, account_id)
            return view.user_of(account_id)

    def remove_address(self, user: str, address: str) -> User:
        """Take a further address away. EstafetaError INVALID for the user's own name."""
        with self._changing() as view:
            owner = view.user(user)
            named = view.name_of(address, AddressKind.USER)
            if named.row is None or named.row.account_id != owner.account_id:
                raise EstafetaError(Kind.NOT_FOUND, f"{named.address} is not an address of {owner.address}.")
            if named.key == view.name(owner.address).key:
                raise EstafetaError(Kind.INVALID, f"{named.address} is the user's own name and stays.")
            names.delete_address(view.conn, named.key)
            if owner.preferred_address == str(named.address):
                own = update(users).where(users.c.account_id == owner.account_id)
                view.conn.execute(own.values(preferred_address=owner.address))
            return view.user_of(owner.account_id)

    def set_redirect(self, address: str, targets: Sequence[str], *, keep_copy: bool = False) -> User:
        """Send the user's mail to `targets`, keeping a copy or not; no targets end the redirect.

        The user's own address among them means a copy.
        """
        with self._changing() as view:
            account_id = view.user(address).account_id
            write_redirect(view, account_id, targets, keep_copy)
            return view.user_of(account_id)

    def get_user(self, address: str) -> User:
        """The user with that address. EstafetaError NOT_FOUND."""
        with self._reading() as view:
            return view.user(address)

    def list_users(self, domain: str = "", *, include_removed: bool = False) -> list[User]:
        """Users by address, of one domain or of all."""
        with self._reading() as view:
            found = view.locality.find_domain(domain) if domain else None
            if domain and found is None:
                raise EstafetaError(Kind.NOT_FOUND, f"There is no domain {domain}.")
            name = found.name if found else ""
            return accounts.read_users(view.conn, view.settings, domain=name, include_removed=include_removed)

    def _set_state(self, address: str, state: UserState) -> User:
        with self._changing() as view:
            user = view.user(address)
            view.conn.execute(update(users).where(users.c.account_id == user.account_id).values(state=state))
            return view.user_of(user.account_id)

    def _credential_rows(self, password: str | None, password_hash: str | None) -> dict[CredentialKind, str]:
        """Made outside the transaction: they cost tens of milliseconds."""
        if password is not None:
            check_new_password(password, self._settings.current.auth.min_password_length)
            return self.credentials.make(password)
        return {CredentialKind.PASSWORD: normalise_hash(password_hash)} if password_hash is not None else {}


def write_redirect(view: View, account_id: AccountId, targets: Sequence[str], keep_copy: bool) -> None:
    """Redirect a user to `targets`; their own address among them means a copy."""
    own = {view.name(address).key for address in view.user_of(account_id).addresses}
    wanted = view.addresses(targets)
    others = [target for target in wanted if accounts.address_key(view.locality, target) not in own]
    mode = RedirectMode.COPY if keep_copy or len(others) < len(wanted) else RedirectMode.ONLY
    names.write_redirect(view.conn, account_id, others, mode if others else RedirectMode.NONE)


def import_user(view: View, text: str, display_name: str, password_hash: str, now_seconds: int) -> bool:
    """Add a user of a password file, or give one that exists that password; whether it was added.

    An empty `password_hash` leaves the password as it is.
    """
    named = view.name(text)
    is_user = named.row is not None and named.row.kind is AddressKind.USER and named.is_taken
    if is_user and named.row is not None and named.row.account_id is not None:
        account_id, added = named.row.account_id, False
    else:
        named = view.free_name(text)
        check_room(view.conn, named.address.domain)
        values = _checked(display_name, INHERIT, INHERIT, "en", ALL_SERVICES)
        account_id, added = _insert_user(view.conn, named, values, now_seconds), True
    if password_hash:
        # SCRAM keys belong to the password of before; new ones are made at the first sign-in.
        accounts.drop_credentials(view.conn, account_id, CredentialKind.PASSWORD, CredentialKind.SCRAM_SHA_256)
        accounts.store_credentials(view.conn, account_id, {CredentialKind.PASSWORD: password_hash}, now_seconds)
    return added


def _insert_user(conn: Connection, named: Named, values: Mapping[str, Any], now_seconds: int) -> AccountId:
    account_id = AccountId(next_value(conn, "account"))
    address = named.address
    row = {
        "account_id": account_id,
        "local": address.local,
        "local_key": named.key.rpartition("@")[0],
        "domain": address.domain,
        "preferred_address": str(address),
        "state": UserState.ACTIVE,
        "redirect_mode": RedirectMode.NONE,
        "created_seconds": now_seconds,
        "removed_seconds": 0,
    }
    conn.execute(insert(users).values(**row, **values))
    names.insert_address(conn, named.key, address, AddressKind.USER, account_id)
    return account_id


def _checked(
    display_name: str | None,
    quota_bytes: int | None,
    quota_messages: int | None,
    language: str | None,
    services: Iterable[Service] | None,
) -> dict[str, Any]:
    """The given values by column. EstafetaError INVALID for one that cannot be."""
    values: dict[str, Any] = {}
    if display_name is not None:
        if not display_name.isprintable() or len(display_name) > 256:
            raise EstafetaError(Kind.INVALID, "The display name is one line of at most 256 characters.")
        values["display_name"] = display_name.strip()
    if quota_bytes is not None:
        if not INHERIT <= quota_bytes <= _MAX_QUOTA_BYTES:
            raise EstafetaError(Kind.INVALID, f"The quota is from 0 (none) to {_MAX_QUOTA_BYTES} bytes.")
        values["quota_bytes"] = quota_bytes
    if quota_messages is not None:
        if not INHERIT <= quota_messages <= _MAX_QUOTA_MESSAGES:
            raise EstafetaError(Kind.INVALID, f"The quota is from 0 (none) to {_MAX_QUOTA_MESSAGES} messages.")
        values["quota_messages"] = quota_messages
    if language is not None:
        if language not in LANGUAGES:
            raise EstafetaError(Kind.INVALID, f"The language is one of {', '.join(LANGUAGES)}, not {language!r}.")
        values["language"] = language
    if services is not None:
        values["services"] = accounts.encode_services(services)
    return values


def _removed_user(view: View, text: str) -> User:
    named = view.name(text)
    query = select(func.max(users.c.account_id)).where(
        users.c.local_key == named.key.rpartition("@")[0],
        users.c.domain == named.address.domain,
        users.c.state == UserState.REMOVED,
    )
    account_id = view.conn.execute(query).scalar()
    if account_id is not None:
        return view.user_of(AccountId(account_id))
    if named.is_taken:
        raise EstafetaError(Kind.IN_USE, f"{named.address} is in use; remove the user first.")
    raise EstafetaError(Kind.NOT_FOUND, f"There is no removed user {named.address}.")
