"""How much TLS a connection to another server must have."""

from enum import StrEnum


class Level(StrEnum):
    """none: no TLS. may: where it is offered, certificates not checked (RFC 7435). encrypt: always, certificates not
    checked. verify: always, with a certificate that the CAs vouch for and that names the host. dane: always, with a
    certificate that TLSA records vouch for (RFC 7672)."""

    NONE = "none"
    MAY = "may"
    ENCRYPT = "encrypt"
    VERIFY = "verify"
    DANE = "dane"
