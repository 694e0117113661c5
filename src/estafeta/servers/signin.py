"""Signing in, the same for every protocol: the directory behind SASL's questions and USER/PASS.

A password verified a moment ago is answered at once; anything else is hashed in one of a few threads that do nothing
else, because Argon2 takes memory and time on purpose: GNU libc keeps its 19 MiB for each thread that ever hashed.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.auth import Authenticator
from estafeta.directory.model import Account, Service
from estafeta.protocols.sasl import MECHANISMS, Mechanism, Need, NeedPassword, PasswordResult, Supply, make_mechanism

_WRONG = {Kind.PERMISSION, Kind.NOT_FOUND, Kind.INVALID}


class SignIn:
    """Signing in to one worker's services. `secret` keys the salts of users that do not exist."""

    def __init__(self, directory: Authenticator, *, secret: bytes, parallel: int, iterations: int) -> None:
        #: Told of every client that signed in to read its mail, and by which service.
        self.reading: Callable[[str, Service], None] = lambda peer, service: None
        self._directory = directory
        self._secret = secret
        self._parallel = 0
        self.use(parallel=parallel, iterations=iterations)

    def use(self, *, parallel: int, iterations: int) -> None:
        """Take new settings: hashes at once, and the SCRAM rounds that users who do not exist seem to have."""
        self._iterations = iterations
        if parallel != self._parallel:
            self._parallel = parallel
            self._hashing = asyncio.Semaphore(parallel)
            self._hashers = ThreadPoolExecutor(parallel, thread_name_prefix="hash")

    def mechanism(self, name: str, bindings: Mapping[str, bytes], *, plus_offered: bool) -> Mechanism | None:
        """A fresh SASL exchange; None for an unknown name."""
        return make_mechanism(
            name,
            secret=self._secret,
            channel_bindings=bindings,
            plus_offered=plus_offered,
            iterations=self._iterations,
        )

    def cached(self, login: str, password: str, service: Service) -> Account | None:
        """The account, if this password was verified a short while ago: no thread, no hashing."""
        return self._directory.check_cached(login, password, service)

    async def check(self, login: str, password: str, service: Service, peer: str) -> Account:
        """Verify a password. Raises PERMISSION (wrong, or not for this service), LIMIT (wait), TEMPORARY."""
        await self._wait(login, peer)
        async with self._hashing:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._hashers, self._directory.check, login, password, service, peer)

    async def account(self, login: str, service: Service, peer: str) -> Account:
        """Who it is that proved knowing the secret of `login`. Raises PERMISSION."""
        return await asyncio.to_thread(self._directory.confirm, login, service, peer)

    async def apop_secret(self, login: str, peer: str) -> str | None:
        """The APOP secret of a user, if there is one. Raises LIMIT."""
        await self._wait(login, peer)
        return await asyncio.to_thread(self._directory.apop_secret, login, peer)

    def failed(self, login: str, peer: str) -> None:
        """A proof by SCRAM or APOP was wrong. Counted in a thread; nobody waits for it."""
        counted = asyncio.get_running_loop().run_in_executor(None, self._directory.failed, login, peer)
        counted.add_done_callback(_forget)

    async def _wait(self, login: str, peer: str) -> None:
        """Slow down whoever tries passwords for one user from many networks."""
        seconds = await asyncio.to_thread(self._directory.delay, login, peer)
        if seconds:
            await asyncio.sleep(seconds)

    async def supply(self, need: Need, service: Service, peer: str) -> tuple[Supply, Account | None]:
        """The directory's answer to what a mechanism asks, and the account where that settles it."""
        try:
            if isinstance(need, NeedPassword):
                return PasswordResult.OK, await self.check(need.authcid, need.password, service, peer)
            await self._wait(need.authcid, peer)
            return await asyncio.to_thread(self._directory.scram_keys, need.authcid, peer), None
        except EstafetaError as error:
            return (PasswordResult.FAILED if is_wrong(error) else PasswordResult.TEMPORARY), None


def _forget(done: "asyncio.Future[None]") -> None:
    """Where the database could not be asked, nothing was counted."""
    if not done.cancelled():
        done.exception()


def is_wrong(error: EstafetaError) -> bool:
    """Whether a sign-in failed for good; else the same name and password may be right a moment later."""
    return error.kind in _WRONG


def acts_as_itself(account: Account, authcid: str, authzid: str) -> bool:
    """Whether the identity that a client asks to act as is its own (RFC 4422 3.4.1); nobody may act as another."""
    return not authzid or authzid.lower() in (authcid.lower(), account.address.lower())


def offered(*, usable: bool, clear: bool, scram: bool, bound: bool) -> tuple[str, ...]:
    """The SASL mechanisms of a connection, strongest first.

    `usable`: somebody may sign in over it at all; `clear`: a password may come as it is; `bound`: it is inside TLS, and
    SCRAM-PLUS can bind to that.
    """
    if not usable:
        return ()
    return tuple(
        name
        for name in MECHANISMS
        if (scram if name.startswith("SCRAM") else clear) and (bound or not name.endswith("-PLUS"))
    )
