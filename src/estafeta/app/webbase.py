"""Where this server's own pages are, for links in mail."""

from estafeta.app.config import NodeConfig, Service
from estafeta.certificates.tls import TlsCertificates

_HTTPS = 443


def own_web_base(config: NodeConfig, certificates: TlsCertificates) -> str:
    """`https://HOSTNAME`, with the port where it is not 443; empty while nobody could follow a link there.

    A mail program that unsubscribes by one click (RFC 8058) checks the certificate and cannot ask anybody, so one that
    is self-signed or for other names does not do."""
    started = [one for one in config.listeners if one.service is Service.HTTPS and one.start and one.tcp_port]
    for listener in sorted(started, key=lambda one: one.tcp_port != _HTTPS):
        certificate = certificates.choose(config.hostname, listener.certificate)
        host = config.hostname.lower()
        if not certificate.self_signed and {host, "*." + host.partition(".")[2]} & set(certificate.hosts):
            return f"https://{host}" + ("" if listener.tcp_port == _HTTPS else f":{listener.tcp_port}")
    return ""
