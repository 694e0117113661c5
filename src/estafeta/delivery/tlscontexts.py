"""TLS contexts for outgoing connections, and what there is to say of a handshake.

Where CAs decide (`verify`, and policies in testing mode) OpenSSL checks chain, dates and name within the handshake,
which then fails. Where TLSA records decide, `check_peer` does it afterwards. Elsewhere nothing is checked.
"""

import asyncio
import ssl
import time
from datetime import UTC, datetime
from typing import Any

from estafeta.certificates.store import CertificateStore
from estafeta.core.errors import EstafetaError, Kind
from estafeta.delivery.tlsdemand import Level, TlsDemand
from estafeta.directory.settings_source import SettingsSource
from estafeta.trust.dane import check_chain
from estafeta.trust.results import PolicyKind, ResultType, TlsFailure

# Certificates of ours and files with CAs are read anew after so long: whoever renews them need not tell us.
_KEEP_SECONDS = 3600
# Without a certificate that counts, weak is better than clear text (RFC 7435 3): small keys of old servers too.
_LENIENT_CIPHERS = "DEFAULT:@SECLEVEL=1"
# OpenSSL's X509_V_ERR_* (x509_vfy.h), as `SSLCertVerificationError.verify_code` has them.
_EXPIRED = frozenset({10})
_MISMATCH = frozenset({62, 64})
_UNTRUSTED = frozenset({2, 18, 19, 20, 21, 22, 24, 27, 28})
_MAX_REASON = 60

_Key = tuple[bool, str, str, str]


class TlsContexts:
    """The contexts in use, by what differs between them. `store`: where our client certificates are; `settings`: which
    CAs are believed besides those of the system."""

    def __init__(self, store: CertificateStore | None = None, settings: SettingsSource | None = None) -> None:
        self._store = store
        self._settings = settings
        self._contexts: dict[_Key, tuple[ssl.SSLContext, float]] = {}

    async def find(self, demand: TlsDemand) -> ssl.SSLContext:
        """The context for a handshake. It takes a thread the first time, since reading CAs takes some milliseconds.

        Raises EstafetaError (NOT_FOUND, PERMISSION, INVALID) where `ca_file` or `certificate` cannot be used."""
        return await self._find(_checked_by_cas(demand), demand.ca_file, demand.certificate)

    async def for_https(self) -> ssl.SSLContext:
        """The context for fetching MTA-STS policies. Raises EstafetaError where delivery.ca_file cannot be used."""
        return await self._find(True, "", "")

    def forget(self) -> None:
        """Read everything anew: certificates or settings have changed."""
        self._contexts.clear()

    async def _find(self, checked: bool, ca_file: str, certificate: str) -> ssl.SSLContext:
        key = (checked, ca_file, self._own_ca_file(), certificate)
        known = self._contexts.get(key)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        context = await asyncio.to_thread(self._make, key)
        self._contexts[key] = (context, time.monotonic() + _KEEP_SECONDS)
        return context

    def _make(self, key: _Key) -> ssl.SSLContext:
        checked, ca_file, own_ca_file, certificate = key
        context = _checking(ca_file, own_ca_file) if checked else _lenient()
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        if certificate:
            self._add_certificate(context, certificate)
        return context

    def _own_ca_file(self) -> str:
        return self._settings.current.delivery.ca_file if self._settings is not None else ""

    def _add_certificate(self, context: ssl.SSLContext, name: str) -> None:
        if self._store is None:
            raise EstafetaError(Kind.NOT_FOUND, f"There is no certificate {name} here.")
        self._store.load(name)
        path = self._store.directory / name
        # Without a password callback OpenSSL would ask on the terminal.
        context.load_cert_chain(f"{path}.crt", f"{path}.key", password=lambda: "")


def _checked_by_cas(demand: TlsDemand) -> bool:
    return demand.level is Level.VERIFY or demand.testing


def _checking(ca_file: str, own_ca_file: str) -> ssl.SSLContext:
    """TLS 1.2 and later, chain and name checked: by the CAs in `ca_file` only, or by the system's and our own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not ca_file:
        context.load_default_certs()
    if ca_file or own_ca_file:
        _add_cas(context, ca_file or own_ca_file)
        # Whoever names a CA of their own may name an intermediate one, or the server's certificate itself.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _add_cas(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        words = "holds no certificates in PEM" if isinstance(error, ssl.SSLError) else "cannot be read"
        raise EstafetaError(Kind.INVALID, f"The file with CAs {path}, of the settings, {words}.", str(error)) from None


def _lenient() -> ssl.SSLContext:
    """TLS 1.2 and later (RFC 8996), nothing checked by OpenSSL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(_LENIENT_CIPHERS)
    return context


def server_name(demand: TlsDemand, host: str) -> str:
    """`server_hostname` for the handshake: SNI (RFC 6066 3), and the name that OpenSSL checks where it does."""
    return (demand.names[0] if demand.names else host).strip("[]").removesuffix(".")


def check_peer(demand: TlsDemand, session: ssl.SSLObject | ssl.SSLSocket) -> TlsFailure | None:
    """What is wrong with the other side's certificate after a handshake; None when `demand` is met.

    A failure ends the connection before anything else is said on it."""
    if demand.level is not Level.DANE:
        return None
    return check_chain(demand.tlsa, peer_chain(session), demand.names, datetime.now(UTC))


def peer_chain(session: Any) -> list[bytes]:
    """The certificates that the other side sent, DER, its own first."""
    # From Python 3.13 on the method is public and gives octets; before it is the same of the object below.
    public = getattr(session, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    inner = getattr(getattr(session, "_sslobj", None), "get_unverified_chain", None)
    chain = inner() if inner is not None else None
    if chain:
        return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain]
    leaf = session.getpeercert(True)
    return [leaf] if leaf else []


def explain(error: BaseException) -> TlsFailure:
    """Type and words for a handshake that failed with `error`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error)
    if isinstance(error, ssl.SSLError):
        reason = str(getattr(error, "reason", None) or "protocol error").lower().replace("_", " ")[:_MAX_REASON]
        return TlsFailure(ResultType.VALIDATION_FAILURE, f"the TLS handshake failed: {reason}", "tls-handshake-failed")
    if isinstance(error, TimeoutError):
        return TlsFailure(ResultType.VALIDATION_FAILURE, "the TLS handshake took too long", "tls-handshake-timeout")
    return TlsFailure(
        ResultType.VALIDATION_FAILURE, "the connection was lost in the TLS handshake", "tls-handshake-failed"
    )


def _explain_certificate(error: ssl.SSLCertVerificationError) -> TlsFailure:
    said = str(getattr(error, "verify_message", None) or "it cannot be verified").rstrip(".")
    words = f"the server's certificate was refused: {said[:1].lower()}{said[1:]}"
    code = int(getattr(error, "verify_code", 1))
    if code in _EXPIRED:
        return TlsFailure(ResultType.EXPIRED, words)
    if code in _MISMATCH:
        return TlsFailure(ResultType.HOST_MISMATCH, words)
    if code in _UNTRUSTED:
        return TlsFailure(ResultType.NOT_TRUSTED, words)
    return TlsFailure(ResultType.VALIDATION_FAILURE, words, f"x509-error-{code}")


def tls_words(demand: TlsDemand, session: ssl.SSLObject | ssl.SSLSocket) -> str:
    """Version, cipher and how the other side was verified, for the journal."""
    cipher = session.cipher()
    words = [session.version() or "TLS", cipher[0] if cipher else ""]
    if demand.level is Level.DANE:
        words.append("verified by DANE")
    elif demand.level is Level.VERIFY:
        by = "MTA-STS" if demand.policy.kind is PolicyKind.STS else "CA"
        words.append(f"verified by {by} as {demand.names[0]}" if demand.names else f"verified by {by}")
    else:
        words.append("not verified")
    return ", ".join(word for word in words if word)
