"""Signing in at a remote server of the lab: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195)."""

import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping

Challenge = Callable[[bytes], Awaitable[bytes]]
"""Sends a challenge and gives the answer as it came, in base64."""

_CRAM = b"<1896.697170952@lab.test>"


async def sign_in(mechanism: bytes, initial: bytes, challenge: Challenge, users: Mapping[str, str]) -> str:
    """Who signed in, "" for a wrong name or password. KeyError for another mechanism, ValueError for nonsense."""
    return await {b"PLAIN": _plain, b"LOGIN": _login, b"CRAM-MD5": _cram}[mechanism](initial, challenge, users)


async def _plain(initial: bytes, challenge: Challenge, users: Mapping[str, str]) -> str:
    response = initial or await challenge(b"")
    _, user, password = base64.b64decode(response, validate=True).decode().split("\0")
    return user if users.get(user) == password else ""


async def _login(initial: bytes, challenge: Challenge, users: Mapping[str, str]) -> str:
    user = base64.b64decode(initial or await challenge(b"Username:")).decode()
    password = base64.b64decode(await challenge(b"Password:")).decode()
    return user if users.get(user) == password else ""


async def _cram(initial: bytes, challenge: Challenge, users: Mapping[str, str]) -> str:
    user, _, digest = base64.b64decode(await challenge(_CRAM)).decode().rpartition(" ")
    if user not in users:
        return ""
    expected = hmac.new(users[user].encode(), _CRAM, "md5").hexdigest()
    return user if hmac.compare_digest(expected.encode(), digest.encode()) else ""
