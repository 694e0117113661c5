"""The certificates of a worker's listeners: read at start, and again when they or the settings change."""

import logging
import ssl
from collections.abc import Callable, Iterable, Mapping

from estafeta.certificates.store import CertificateStore
from estafeta.certificates.tls import ListenerTls, TlsCertificates
from estafeta.core.errors import EstafetaError
from estafeta.directory.settings_source import SettingsSource
from estafeta.net.tls import TlsOffer

log = logging.getLogger("estafeta.worker")


class WorkerTls:
    """By the names of certificates. `loaded` is told of each set that was read. Raises EstafetaError at start."""

    def __init__(
        self,
        store: CertificateStore,
        names: Iterable[str],
        settings: SettingsSource,
        loaded: Callable[[TlsCertificates], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._loaded = loaded
        wanted = set(names)
        certificates = TlsCertificates.load(store, wanted)
        loaded(certificates)
        oldest = settings.current.tls.minimum_version
        self._listeners = {name: ListenerTls(certificates, name, minimum_version=oldest) for name in wanted}

    def context(self, name: str) -> ssl.SSLContext:
        """For a listener that is inside TLS from the start."""
        return self._listeners[name].context

    def offer(self, name: str) -> TlsOffer:
        """For STARTTLS, and for what SASL binds to (RFC 5929)."""
        listener_tls = self._listeners[name]

        def bindings(session: ssl.SSLObject) -> Mapping[str, bytes]:
            found = {"tls-server-end-point": listener_tls.end_point(session)}
            if session.version() == "TLSv1.2":
                found["tls-unique"] = session.get_channel_binding("tls-unique") or b""
            return {name: value for name, value in found.items() if value}

        return TlsOffer(listener_tls.context, bindings)

    def reload(self) -> None:
        """Read certificates again; where one cannot be used, all stay as they were."""
        try:
            certificates = TlsCertificates.load(self._store, set(self._listeners))
        except EstafetaError as error:
            log.error("certificates: kept what was there", extra={"reason": error.public})
            return
        self._loaded(certificates)
        for listener_tls in self._listeners.values():
            listener_tls.reload(certificates, minimum_version=self._settings.current.tls.minimum_version)
