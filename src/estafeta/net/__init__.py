"""Sockets: the pump between a connection and a protocol machine, connection limits, and the bus between workers."""
