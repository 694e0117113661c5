"""The POP3 server on the machine of estafeta.protocols.pop3."""

from estafeta.servers.pop3.service import Pop3Service, Pop3Shared
from estafeta.servers.pop3.settings import Pop3Settings

__all__ = ["Pop3Service", "Pop3Settings", "Pop3Shared"]
