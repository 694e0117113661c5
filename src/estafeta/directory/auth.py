"""Sign-in: passwords, SCRAM keys and APOP secrets against the directory.

`check_cached`, `scram_keys` of a known user and `apop_secret` are quick; `check` computes a password hash and takes
tens of milliseconds, so it belongs in a thread, and the caller decides how many run at once. A wrong name and a wrong
password look alike and cost alike.
"""

import logging

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import AccountId
from estafeta.directory import accounts
from estafeta.directory.blocks import Block, find_blocks, share_block
from estafeta.directory.credentials import ApopSecrets, CredentialMaker, decode_scram
from estafeta.directory.model import Account, Clock, CredentialKind, Service
from estafeta.directory.passwords import PasswordProfile
from estafeta.directory.settings_source import SettingsSource
from estafeta.directory.throttle import Throttle
from estafeta.directory.verified import VerifiedPasswords
from estafeta.protocols.sasl import ScramKeys
from estafeta.storage.database import Database

log = logging.getLogger("estafeta.signin")


class Authenticator:
    """Checks who someone is. `node_key` (32 octets) unseals APOP secrets; without it APOP finds none."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: SettingsSource,
        *,
        profile: PasswordProfile | None = None,
        node_key: bytes | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._maker = CredentialMaker(settings, profile=profile)
        self._apop = ApopSecrets(node_key) if node_key else None
        self._verified = VerifiedPasswords(clock, settings)
        self.throttle = Throttle(clock, settings)

    def check_cached(self, login: str, password: str, service: Service | None = None) -> Account | None:
        """The account if this login and password were verified a short time ago; None: ask `check`."""
        account = self._verified.find(login, password)
        return account if account is not None and _allows(account, service) else None

    def check(self, login: str, password: str, service: Service | None = None, client: str = "") -> Account:
        """The account of the right login and password. `client` is the peer's IP address.

        EstafetaError PERMISSION: wrong, or the user may not use `service`. LIMIT: too many wrong ones; wait.
        """
        memory = self._verified.memory
        account, stored = self._read(login, CredentialKind.PASSWORD)
        self._check_waiting(account.address if account is not None else login, client)
        hasher = self._maker.hasher
        if account is None or not stored:
            hasher.verify_nothing(password)
        if account is None or not stored or not hasher.verify(stored, password):
            self._count(account.address if account is not None else login, client)
            raise _wrong(login)
        self.throttle.succeeded(account.address, client)
        if hasher.needs_rehash(stored):
            self._rehash(account.account_id, stored, password)
        self._verified.remember(memory, login, password, account)
        return _permitted(account, service)

    def scram_keys(self, login: str, client: str = "") -> ScramKeys | None:
        """The keys of the user; None if unknown or without keys. EstafetaError LIMIT: too many failures; wait."""
        account, stored = self._read(login, CredentialKind.SCRAM_SHA_256)
        self._check_waiting(account.address if account is not None else login, client)
        return decode_scram(stored) if account is not None and stored else None

    def apop_secret(self, login: str, client: str = "") -> str | None:
        """The APOP secret of the user; None if there is none. EstafetaError LIMIT: too many failures; wait."""
        account, stored = self._read(login, CredentialKind.APOP)
        self._check_waiting(account.address if account is not None else login, client)
        if account is None or not stored or self._apop is None:
            return None
        return self._apop.unseal(account.account_id, stored)

    def confirm(self, login: str, service: Service | None = None, client: str = "") -> Account:
        """The account of someone who proved who they are by SCRAM, APOP or a certificate.

        EstafetaError PERMISSION: no longer active, or may not use `service`.
        """
        account = self._find(login)
        if account is None:
            raise _wrong(login)
        self.throttle.succeeded(account.address, client)
        return _permitted(account, service)

    def failed(self, login: str, client: str = "") -> None:
        """A proof was wrong. May write to the database: for a thread."""
        account = self._find(login)
        self._count(account.address if account is not None else login, client)

    def delay(self, login: str, client: str = "") -> float:
        """Seconds that a sign-in waits before it is looked at, since many networks try passwords for that user."""
        account = self._find(login)
        name = account.address if account is not None else login
        return self.throttle.delay(name, client, self._blocks(name, client))

    def forget(self) -> None:
        """Drop remembered passwords: on the bus topics `directory` and `settings`."""
        self._verified.forget()

    def _find(self, login: str) -> Account | None:
        with self._database.read() as conn:
            return accounts.find_login(conn, self._settings.current, login)

    def _count(self, login: str, client: str) -> None:
        told = self.throttle.failed(login, client, self._blocks(login, client))
        if told:
            self._tell(told)

    def _check_waiting(self, login: str, client: str) -> None:
        self.throttle.check(login, client)
        self.throttle.check_shared(self._blocks(login, client), client)

    def _blocks(self, login: str, client: str) -> list[Block]:
        with self._database.read() as conn:
            return find_blocks(conn, login, client)

    def _tell(self, told: list[Block]) -> None:
        """To all workers and machines. Where that fails this worker still knows."""
        try:
            with self._database.write() as tx:
                for block in told:
                    share_block(tx, block)
        except EstafetaError as error:
            log.warning("a block was not shared", extra={"reason": error.public})
        for block in told:
            log.warning("sign-ins wait network=%s login=%r failures=%d", block.network, block.login, block.failures)

    def _read(self, login: str, kind: CredentialKind) -> tuple[Account | None, str]:
        with self._database.read() as conn:
            account = accounts.find_login(conn, self._settings.current, login)
            stored = accounts.read_credential(conn, account.account_id, kind) if account is not None else ""
        return account, stored

    def _rehash(self, account_id: AccountId, old: str, password: str) -> None:
        """Replace an imported or weaker hash, unless the password was changed in the meantime."""
        rows = self._maker.make(password)
        with self._database.write() as tx:
            if accounts.read_credential(tx.conn, account_id, CredentialKind.PASSWORD) == old:
                accounts.store_credentials(tx.conn, account_id, rows, int(self._clock()))


def _wrong(login: str) -> EstafetaError:
    return EstafetaError(Kind.PERMISSION, "The name or the password is wrong.", f"login {login[:320]!r}")


def _allows(account: Account, service: Service | None) -> bool:
    return service is None or service in account.services


def _permitted(account: Account, service: Service | None) -> Account:
    if not _allows(account, service):
        raise EstafetaError(Kind.PERMISSION, f"{account.address} may not use {service}; ask the operator for it.")
    return account
