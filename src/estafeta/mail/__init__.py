"""Addresses, envelopes, header fields and MIME structure: bytes and values, no I/O."""
