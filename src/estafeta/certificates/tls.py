"""Which certificate a TLS session gets: by the name the client asks for (SNI, RFC 6066 3), else the listener's own.

`ListenerTls.context` never changes: it is given to the network once. Its SNI callback, which OpenSSL calls in every
handshake, with or without a name, puts the session on the current certificate. So a reload takes effect with the next
handshake, and sessions under way keep what they have.
"""

import ssl
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from weakref import WeakKeyDictionary

from estafeta.certificates.store import Certificate, CertificateStore, server_context
from estafeta.core.errors import EstafetaError

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsCertificates:
    """All certificates of a node, loaded. Made anew at reload; immutable in between."""

    def __init__(self, certificates: Mapping[str, Certificate], problems: tuple[str, ...] = ()) -> None:
        self.certificates = MappingProxyType(dict(certificates))
        self.problems = problems
        self._by_host = _by_host(self.certificates.values())

    @classmethod
    def load(cls, store: CertificateStore, required: Iterable[str]) -> "TlsCertificates":
        """Load all of `store`. Those in `required` must work (EstafetaError); of others the problem is kept."""
        loaded: dict[str, Certificate] = {}
        problems = []
        needed = set(required)
        for name in sorted(needed | set(store.names())):
            try:
                loaded[name] = store.load(name)
            except EstafetaError as error:
                if name in needed:
                    raise
                problems.append(error.public)
        return cls(loaded, tuple(problems))

    def choose(self, server_name: str | None, default: str) -> Certificate:
        """The certificate for `server_name`: exact, then `*.parent`, then the one named `default`."""
        host = (server_name or "").lower().rstrip(".")
        found = self._by_host.get(host) or self._by_host.get("*." + host.partition(".")[2])
        mine = self.certificates[default]
        return mine if found is None or host in mine.hosts else found


class ListenerTls:
    """TLS of the listeners whose own certificate is `name`. `minimum_version` is "1.2" or "1.3"."""

    def __init__(self, certificates: TlsCertificates, name: str, *, minimum_version: str = "1.2") -> None:
        self._name = name
        self._certificates = certificates
        # Remembers the contexts of earlier certificates as long as a session uses them.
        self._end_points: WeakKeyDictionary[ssl.SSLContext, bytes] = WeakKeyDictionary()
        #: For `wrap_bio`, `start_tls` and the like; stays the same object over reloads.
        self.context = server_context()
        self.context.sni_callback = self._choose
        self.reload(certificates, minimum_version=minimum_version)

    def reload(self, certificates: TlsCertificates, *, minimum_version: str = "1.2") -> None:
        """Use `certificates` from the next handshake on. Raises KeyError when this listener's own is not among them."""
        certificates.certificates[self._name]
        self._certificates = certificates
        self.context.minimum_version = _VERSIONS[minimum_version]
        for one in certificates.certificates.values():
            self._end_points[one.context] = one.end_point

    def end_point(self, session: ssl.SSLObject | ssl.SSLSocket) -> bytes:
        """tls-server-end-point of an established session (RFC 5929); empty where it is undefined."""
        return self._end_points.get(session.context, b"")

    def _choose(self, session: ssl.SSLObject, server_name: str | None, context: ssl.SSLContext) -> None:
        session.context = self._certificates.choose(server_name, self._name).context


def _by_host(certificates: Iterable[Certificate]) -> dict[str, Certificate]:
    """Host -> certificate; of several for one host the one that is valid longest."""
    found: dict[str, Certificate] = {}
    for certificate in sorted(certificates, key=lambda one: one.not_after):
        found.update(dict.fromkeys(certificate.hosts, certificate))
    return found
