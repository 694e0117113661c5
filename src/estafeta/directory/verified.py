"""Verified passwords, remembered for a short time so that a client that polls every minute costs no Argon2.

What is kept is BLAKE2b of login and password under a key of this process, never written anywhere: useless to whoever
reads the store, and gone with the process. A change of the directory forgets all of it.
"""

import hashlib
import secrets

from estafeta.directory.model import Account, Clock
from estafeta.directory.settings_source import SettingsSource

_MAX_ENTRIES = 20_000

Memory = dict[bytes, tuple[Account, float]]


class VerifiedPasswords:
    """Login and password -> account. Lookups take microseconds and may be made on the event loop."""

    def __init__(self, clock: Clock, settings: SettingsSource) -> None:
        self._clock = clock
        self._settings = settings
        self._key = secrets.token_bytes(32)
        self.memory: Memory = {}

    def find(self, login: str, password: str) -> Account | None:
        """The account, if this very login and password were verified a short time ago."""
        entry = self.memory.get(self._digest(login, password))
        if entry is None or entry[1] < self._clock():
            return None
        return entry[0]

    def remember(self, memory: Memory, login: str, password: str, account: Account) -> None:
        """Keep a verified password in `memory`, which is `self.memory` as it was before the password was read.

        So a password that was changed while it was being verified is not remembered.
        """
        seconds = self._settings.current.auth.remember_seconds
        if seconds == 0:
            return
        if len(memory) >= _MAX_ENTRIES:
            for old in list(memory)[: _MAX_ENTRIES // 10]:
                memory.pop(old, None)
        memory[self._digest(login, password)] = (account, self._clock() + seconds)

    def forget(self) -> None:
        """Drop everything: a password, a user or the settings changed."""
        self.memory = {}

    def _digest(self, login: str, password: str) -> bytes:
        text = f"{len(login)}:{login}{password}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=16).digest()
