"""Where registered domains begin, by the Public Suffix List (publicsuffix.org), which comes with a package.

Names are lower case A-labels without the final dot. A name under no suffix of the list counts its last label as one
(the list's own rule `*`). Private suffixes count, too: who has a name under `github.io` is not who has another.
"""

from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList


@cache
def _suffixes() -> PublicSuffixList:
    """Read once, when first asked: about 30 ms and 5 MiB."""
    return PublicSuffixList()


@lru_cache(maxsize=4096)
def organizational_domain(name: str) -> str:
    """The public suffix of a name and one label more (RFC 7489 3.2); a name that is itself a suffix is its own."""
    return _suffixes().privatesuffix(name) or name


def public_suffix(name: str) -> str:
    """The public suffix above a name or that it is; "" for what is no name."""
    return _suffixes().publicsuffix(name) or ""
