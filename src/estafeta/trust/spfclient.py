"""The client and the sender of one SPF check (RFC 7208 4.1): networks that hold the address, what macros say. Pure."""

import ipaddress

from estafeta.core.clock import Clock
from estafeta.core.ip import Ip
from estafeta.mail.address import domain_key
from estafeta.trust.spfrecord import Mechanism


class SpfClient:
    """`text` is the address as it is compared with those in answers; `four`: it is an IPv4 address.

    `domain` is what stands for the sender's where that has none; `own_host` and `clock` are for %{r} and %{t}."""

    __slots__ = ("_clock", "_domain", "_helo", "_ip", "_own_host", "_sender", "four", "text")

    def __init__(self, ip: Ip, domain: str, sender: str, helo: str, own_host: str, clock: Clock) -> None:
        self._ip = ip
        self.text = ip.text
        self.four = ip.four
        self._domain = domain
        self._sender = sender
        self._helo = helo
        self._own_host = own_host
        self._clock = clock

    def within(self, network: int, mechanism: Mechanism) -> bool:
        """Whether the address is in a network of its own kind, with the mechanism's prefix length."""
        spare = 32 - mechanism.bits4 if self.four else 128 - mechanism.bits6
        return (self._ip.number ^ network) >> spare == 0

    def among(self, addresses: tuple[str, ...], mechanism: Mechanism) -> bool:
        """Whether the networks around `addresses`, which are of the client's kind, hold it (RFC 7208 5.3)."""
        if (mechanism.bits4 == 32) if self.four else (mechanism.bits6 == 128):
            return self.text in addresses
        return any(self.within(int(ipaddress.ip_address(address)), mechanism) for address in addresses)

    def value(self, letter: str) -> str | None:
        """RFC 7208 7.2: all macro letters but d and p, which change during a check; None: no name can hold it."""
        local, _, sender_domain = self._sender.rpartition("@")
        # RFC 7208 2.4, 4.3: without a local part it is postmaster's.
        local, sender_domain = local or "postmaster", domain_key(sender_domain) or self._domain
        match letter:
            case "l" | "s":
                # RFC 8616 4: what is beyond ASCII can be in no name.
                whole = local if letter == "l" else f"{local}@{sender_domain}"
                return whole if whole.isascii() else None
            case "o":
                return sender_domain
            case "i":
                return self.text if self.four else ".".join(self._ip.address.exploded.replace(":", "").upper())
            case "c":
                return self.text
            case "v":
                return "in-addr" if self.four else "ip6"
            case "h":
                return domain_key(self._helo)
            case "r":
                return self._own_host
            case _:
                return str(int(self._clock()))
