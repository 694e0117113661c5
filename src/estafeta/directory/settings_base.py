"""What sections of the settings share."""

LOOPBACK = ("127.0.0.0/8", "::1/128")
