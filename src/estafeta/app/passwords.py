"""Passwords made for people: long enough for anything, easy to read aloud and to type."""

import secrets

#: Small letters and digits without those that are taken for each other (0 o, 1 i l): 32 signs would be 5 bits each.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS = 4
_GROUP_LENGTH = 4


def generate_password() -> str:
    """Four groups of four, about 79 bits: `k7mx-q3hn-vwt9-pcd4`."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
