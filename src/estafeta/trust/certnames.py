"""Names in certificates and the names that they stand for (RFC 9525, RFC 6125 6.4). Subjects (CN) do not count.

Names are A-labels; letter case and a final dot do not matter."""

from cryptography import x509


def name_matches(pattern: str, host: str) -> bool:
    """Whether `pattern`, of a certificate or an MTA-STS policy, stands for `host`.

    RFC 9525 6.3: `*` may only be the whole first label, and stands for exactly one."""
    pattern, host = _plain(pattern), _plain(host)
    if pattern.startswith("*."):
        first, _, parent = host.partition(".")
        return bool(first) and "." in parent and parent == pattern[2:]
    return bool(host) and pattern == host


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS-IDs of a certificate; none where its names cannot be read."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(names.get_values_for_type(x509.DNSName))


def certificate_matches(certificate: x509.Certificate, hosts: tuple[str, ...]) -> bool:
    """Whether a certificate is for one of these hosts."""
    return any(name_matches(name, host) for name in dns_names(certificate) for host in hosts)


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")
