"""Channel binding of type tls-server-end-point (RFC 5929): with it SCRAM-SHA-256-PLUS proves that nobody relays."""

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

#: RFC 5929 4.1: a certificate signed with these is hashed with SHA-256 instead.
_WEAK = frozenset({"md5", "sha1"})


def end_point_binding(certificate: x509.Certificate | bytes) -> bytes:
    """The hash of the server's certificate (DER or parsed) as RFC 5929 4.1 defines it.

    Empty where it is undefined: signature algorithms that use no single hash function, such as Ed25519. A server then
    offers no channel binding.
    """
    parsed = x509.load_der_x509_certificate(certificate) if isinstance(certificate, bytes) else certificate
    try:
        algorithm = parsed.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return b""
    if algorithm is None:
        return b""
    name = "sha256" if algorithm.name in _WEAK else algorithm.name
    return hashlib.new(name, parsed.public_bytes(serialization.Encoding.DER)).digest()
