"""USER, PASS and APOP (RFC 1939 7), and what every sign-in ends with: lock, view, answer."""

import hashlib
import hmac
import time
from collections.abc import Awaitable

from estafeta.core.errors import EstafetaError, Kind
from estafeta.core.ids import INBOX
from estafeta.directory.model import Account, Service
from estafeta.protocols.pop3 import events
from estafeta.protocols.pop3.replies import Code
from estafeta.protocols.pop3.texts import Text
from estafeta.protocols.sasl.prep import prepare
from estafeta.servers.pop3.errors import answer_error, error_words
from estafeta.servers.pop3.maildrop import Maildrop, MaildropLock
from estafeta.servers.pop3.session import Pop3Session, log


def user(session: Pop3Session, event: events.User) -> None:
    """Refused where PASS would be, so that the password is never sent. Any name is fine, or names could be probed."""
    if not session.clear_text_refused():
        session.machine.ok(Text.PASSWORD_PLEASE)


def password(session: Pop3Session, event: events.Password) -> Awaitable[None] | None:
    """RFC 6856 2.2 (UTF8 USER): names and passwords are UTF-8, prepared with SASLprep."""
    login, secret = prepare(event.name), prepare(event.password)
    if login is None or secret is None:
        refuse(session, event.name.decode("utf-8", "replace"), "PASS")
        return None
    account = session.service.shared.sign_in.cached(login, secret, Service.POP3)
    return _check(session, login, secret) if account is None else admit(session, account, "PASS")


async def _check(session: Pop3Session, login: str, secret: str) -> None:
    try:
        account = await session.service.shared.sign_in.check(login, secret, Service.POP3, session.pump.peer)
    except EstafetaError as error:
        refuse(session, login, "PASS", error)
        return
    await admit(session, account, "PASS")


async def apop(session: Pop3Session, event: events.Apop) -> None:
    """MD5 over the greeting's timestamp and a secret that both sides know."""
    sign_in = session.service.shared.sign_in
    if session.tls_refused():
        return
    if not session.timestamp:
        session.machine.err(Text.NO_APOP)
        return
    login, peer = prepare(event.name) or "", session.pump.peer
    try:
        secret = await sign_in.apop_secret(login, peer)
        if not _digest_matches(event.digest, session.timestamp, secret):
            sign_in.failed(login, peer)
            raise EstafetaError(Kind.PERMISSION, "The name or the secret is wrong.")
        account = await sign_in.account(login, Service.POP3, peer)
    except EstafetaError as error:
        refuse(session, login, "APOP", error)
        return
    await admit(session, account, "APOP")


def _digest_matches(digest: str, timestamp: str, secret: str | None) -> bool:
    """Takes as long for a user that is not there."""
    data = (timestamp + (secret or "")).encode("utf-8", "surrogatepass")
    wanted = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return hmac.compare_digest(wanted, digest) and secret is not None


def refuse(session: Pop3Session, login: str, how: str, error: EstafetaError | None = None) -> None:
    """A sign-in failed: say why, and after too many end the session."""
    reason = "credentials" if error is None else error.private or error.public
    log.info("sign-in failed peer=%s login=%r method=%s reason=%r", session.pump.peer, login[:320], how, reason)
    machine = session.machine
    if too_many(session):
        return
    if error is None:
        machine.err(Text.CREDENTIALS, code=Code.AUTH)
    elif error.kind is Kind.PERMISSION:
        # RFC 3206 4: [AUTH] says that the credentials, or the right to use them here, are what has to change.
        machine.err(Text.PLAIN, error_words(machine, error, Text.CREDENTIALS), code=Code.AUTH)
    else:
        answer_error(machine, error)


def too_many(session: Pop3Session) -> bool:
    """Count a failed sign-in; True when it was answered with the end of the session."""
    session.sign_ins += 1
    if session.sign_ins < session.settings.max_sign_ins:
        return False
    session.machine.err_close(Text.TOO_MANY_SIGN_INS, code=Code.AUTH)
    return True


async def admit(session: Pop3Session, account: Account, how: str) -> None:
    """Who it is is known: open the maildrop and enter TRANSACTION, or say why not."""
    machine, settings = session.machine, session.settings
    try:
        lock = MaildropLock.acquire(session.service.shared.locks, account.account_id, shared=settings.shared)
    except EstafetaError as error:
        answer_error(machine, error)
        return
    if lock is None:
        # RFC 2449 8.1.2
        machine.err(Text.IN_USE, code=Code.IN_USE)
        return
    try:
        if not _too_soon(session, lock):
            await _open(session, account, lock)
            session.service.shared.sign_in.reading(session.pump.peer, Service.POP3)
            log.info("signed in peer=%s user=%s method=%s", session.pump.peer, account.address, how)
    finally:
        if session.maildrop is None:
            lock.release()


def _too_soon(session: Pop3Session, lock: MaildropLock) -> bool:
    """RFC 2449 8.1.1: the least time between two sign-ins."""
    delay = session.settings.login_delay_seconds
    if not delay:
        return False
    now = int(time.time())
    left = min(lock.last_sign_in() + delay - now, delay)
    if left > 0:
        session.machine.err(Text.LOGIN_DELAY, left, code=Code.LOGIN_DELAY)
        return True
    lock.note_sign_in(now)
    return False


async def _open(session: Pop3Session, account: Account, lock: MaildropLock) -> None:
    snapshot = await session.service.shared.mailboxes.snapshot(account.account_id, INBOX)
    if session.gone:
        return
    reader = str(account.address) if session.settings.note_reading else ""
    maildrop = session.maildrop = Maildrop(account.account_id, snapshot, lock, reader)
    session.machine.signed_in(account.language)
    session.machine.ok(Text.SIGNED_IN, maildrop.count, maildrop.octets)
