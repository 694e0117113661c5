"""Lines of the setting delivery.tls_rules: `PATTERN LEVEL [ca=FILE] [cert=NAME] [name=HOST]`."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.trust.levels import Level

_LEVELS = {"none": Level.NONE, "may": Level.MAY, "encrypt": Level.ENCRYPT, "verify": Level.VERIFY, "usual": None}
_PATTERN = re.compile(r"[A-Za-z0-9_.*?:-]{1,255}")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")


class TlsRule(NamedTuple):
    """One rule. `level` None: what would be without the rule. `ca`: file with CAs instead of the system's; `cert`: name
    of our own certificate; `name`: what the other side's certificate must be for, instead of the host."""

    pattern: str
    level: Level | None
    ca: str = ""
    cert: str = ""
    name: str = ""

    def matches(self, *names: str) -> bool:
        """Whether it is for one of these domains and hosts."""
        return any(name and fnmatchcase(name.lower(), self.pattern) for name in names)


def parse_tls_rule(line: str) -> TlsRule:
    """The rule in a line. Raises EstafetaError INVALID."""
    words = line.split()
    if len(words) < 2 or not _PATTERN.fullmatch(words[0]):
        raise _invalid(line, "write a domain or host pattern and a level, as in `*.example.org verify`")
    if words[1] not in _LEVELS:
        raise _invalid(line, f"{words[1]!r} is no level; use none, may, encrypt, verify or usual")
    return TlsRule(words[0].lower(), _LEVELS[words[1]], **_options(line, words[2:]))


def find_rule(rules: Iterable[TlsRule], *names: str) -> TlsRule | None:
    """The first rule for one of these names."""
    return next((rule for rule in rules if rule.matches(*names)), None)


def _options(line: str, words: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in ("ca", "cert", "name") or not value or key in options:
            raise _invalid(line, f"{word!r} is no option; use ca=FILE, cert=NAME or name=HOST, each once")
        options[key] = value
    if not options.get("ca", "/").startswith("/"):
        raise _invalid(line, "give the whole path of the file after ca=")
    if not _NAME.fullmatch(options.get("cert", "x")):
        raise _invalid(line, "cert= takes the name of a certificate, as `estafeta certificate list` shows it")
    if not _NAME.fullmatch(options.get("name", "x")):
        raise _invalid(line, "name= takes a host name")
    return options


def _invalid(line: str, why: str) -> EstafetaError:
    return EstafetaError(Kind.INVALID, f"TLS rule {line[:100]!r}: {why}.")
