"""SOCKS5 (RFC 1928), client side without I/O: CONNECT to an IP address, without authentication.

Octets go in with `feed`; `take_output` has what is to be sent. `done` says that the way is open (`rest` holds octets of
the other side that came with the reply), `error` why it is not. Nothing raises, whatever a proxy says.
"""

import ipaddress
from typing import Final

# RFC 1928 6: REP
_REPLIES: Final = {
    1: "general failure of the proxy",
    2: "connection not allowed by the proxy's rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported by the proxy",
    8: "address type not supported by the proxy",
}
_REFUSED: Final = frozenset({3, 4, 5, 6})
# RFC 1928 5: octets of an address by ATYP; a domain name tells its own length.
_ADDRESS_OCTETS: Final = {1: 4, 4: 16}


class Socks5:
    """One CONNECT to `ip` and `port`."""

    def __init__(self, ip: str, port: int) -> None:
        self.done = False
        self.error = ""
        self.refused = False
        """The error came from beyond the proxy: nobody answers there."""
        self.rest = b""
        self._request = _request(ip, port)
        self._chosen = False
        self._data = b""
        # RFC 1928 3: VER, NMETHODS, METHODS; 0 is no authentication.
        self._output = b"\x05\x01\x00"

    def take_output(self) -> bytes:
        """Octets to send; empty if there are none."""
        output, self._output = self._output, b""
        return output

    def feed(self, data: bytes) -> None:
        """Octets that came from the proxy."""
        if self.done or self.error:
            return
        self._data += data
        if not self._chosen and len(self._data) >= 2:
            self._choose()
        if self._chosen and not self.error:
            self._read_reply()

    def _choose(self) -> None:
        version, method = self._data[0], self._data[1]
        self._data = self._data[2:]
        if version != 5:
            self.error = "what answers there is no SOCKS5 proxy"
        elif method != 0:
            self.error = "the proxy wants authentication"
        else:
            self._chosen = True
            self._output = self._request

    def _read_reply(self) -> None:
        # RFC 1928 6: VER REP RSV ATYP BND.ADDR BND.PORT
        data = self._data
        if len(data) < 5:
            return
        if data[0] != 5:
            self.error = "what answers there is no SOCKS5 proxy"
        elif data[1]:
            self.error = _REPLIES.get(data[1], f"error {data[1]} of the proxy")
            self.refused = data[1] in _REFUSED
        elif data[3] != 3 and data[3] not in _ADDRESS_OCTETS:
            self.error = "the proxy's reply makes no sense"
        else:
            size = 6 + (1 + data[4] if data[3] == 3 else _ADDRESS_OCTETS[data[3]])
            if len(data) >= size:
                self.rest, self._data = data[size:], b""
                self.done = True


def _request(ip: str, port: int) -> bytes:
    address = ipaddress.ip_address(ip)
    kind = b"\x01" if address.version == 4 else b"\x04"
    return b"\x05\x01\x00" + kind + address.packed + port.to_bytes(2, "big")
