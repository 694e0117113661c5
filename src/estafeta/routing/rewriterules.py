"""Lines of `rewrite.address_rules` and `rewrite.lookup_table`, and files of lookups, as values.

A rule is a pattern, a replacement and letters for the fields, as Exim has them; blanks stand between them, and within
braces they count as part of the replacement:

    *@cay.example          $1@example                                                       frFs
    *@zeus.cay.example     ${lookup{$1}lsearch{/etc/email-addresses}{$value}fail}           frFs
    *@example              $1@${qualify_domain}                                             X

`*` as replacement leaves the address as it is and ends the search. Every failure is EstafetaError INVALID.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.routing.patterns import Pattern, parse_pattern
from estafeta.routing.templates import Template, names_of, parse_template, tables_of

_CONTINUED = re.compile(r"\\[ \t]*\r?\n[ \t]*")
_MAX_FILE_OCTETS = 16 << 20
_LSEARCH_LINE = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^\s:]+))[ \t]*:?[ \t]*(.*)', re.DOTALL)


class Field(StrEnum):
    """Where an address stands; the values are the letters of rules. CHECK is no field: rules with X (see below)."""

    SENDER = "s"
    FROM = "f"
    TO = "t"
    CC = "c"
    BCC = "b"
    REPLY_TO = "r"
    ENVELOPE_FROM = "F"
    ENVELOPE_TO = "T"
    CHECK = "X"


HEADER_FIELDS = frozenset((Field.SENDER, Field.FROM, Field.TO, Field.CC, Field.BCC, Field.REPLY_TO))
ENVELOPE_FIELDS = frozenset((Field.ENVELOPE_FROM, Field.ENVELOPE_TO))
_GROUPS = {"h": HEADER_FIELDS, "E": ENVELOPE_FIELDS}
_QUIT, _REPEAT = "q", "R"


class Rule(NamedTuple):
    """One rule. `template` None: the address stays as it is. A rule with CHECK rewrites nothing: what it makes of an
    address is only looked at, to decide whether the address may be used."""

    text: str
    pattern: Pattern
    template: Template | None
    fields: frozenset[Field]
    quit: bool
    repeat: bool


Tables = Mapping[str, Mapping[str, str]]
"""Tables by name, of values by key in lower case."""
KNOWN_VARIABLES = frozenset({"local_part", "domain", "value", "qualify_domain", "primary_hostname"})


def join_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Lines of which those that end with a backslash go on in the next."""
    return tuple(line.strip() for line in _CONTINUED.sub("", "\n".join(lines)).split("\n") if line.strip())


def parse_rule(line: str) -> Rule:
    """One line of `rewrite.address_rules`."""
    text = _CONTINUED.sub("", line).strip()
    source, _, rest = text.partition(" ") if " " in text else text.partition("\t")
    replacement, letters = _split_letters(rest.strip())
    if not replacement:
        raise _invalid(line, "a rule is a pattern, a replacement and fields, as in `*@cay.example $1@example frFs`")
    if source.startswith(("^", "\\N")):
        raise _invalid(line, "regular expressions are not known; patterns have * and ?")
    template = None if replacement == "*" else parse_template(replacement)
    pattern = parse_pattern(source)
    _check_variables(line, template or (), pattern)
    return Rule(text, pattern, template, _fields(letters, line), _QUIT in letters, _REPEAT in letters)


def parse_lookup_line(line: str) -> tuple[str, str, str]:
    """Table, key in lower case, and value of one line of `rewrite.lookup_table`."""
    words = line.split(None, 2)
    if len(words) != 3:
        raise _invalid(line, "a line of the table is TABLE key value, as in `people ana ana.lopez@example.org`")
    return words[0], words[1].removesuffix(":").lower(), words[2].strip()


def parse_lookup_file(text: str) -> dict[str, str]:
    """A file as Exim's lsearch reads it: `key: value` or `key value`, `#` comments, indented lines go on with the line
    before. The first line with a key counts."""
    found: dict[str, str] = {}
    for line in re.sub(r"\n[ \t]+(?=\S)", " ", re.sub(r"(?m)^#.*\n?", "", text)).splitlines():
        match = _LSEARCH_LINE.match(line)
        if match is not None:
            key = match[2] if match[1] is None else re.sub(r"\\(.)", r"\1", match[1])
            found.setdefault(key.lower(), match[3].strip())
    return found


def read_lookup_file(path: str) -> str:
    """The text of a file of lookups. Raises EstafetaError INVALID, also for what is no file of a sensible size."""
    try:
        if Path(path).stat().st_size > _MAX_FILE_OCTETS:
            raise EstafetaError(Kind.INVALID, f"{path} is too large for a table of addresses.")
        return Path(path).read_text("utf-8", "replace")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", "") or str(error)).lower()
        raise EstafetaError(Kind.INVALID, f"{path} cannot be read as a table of addresses: {reason}.") from None


def used_tables(rules: Iterable[Rule]) -> list[str]:
    """The tables in which rules look up."""
    return list(dict.fromkeys(chain.from_iterable(tables_of(rule.template or ()) for rule in rules)))


def _split_letters(rest: str) -> tuple[str, str]:
    """The replacement, and the letters after the last blank that is not within braces."""
    depth, cut = 0, -1
    for at, character in enumerate(rest):
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        elif character in " \t" and depth <= 0:
            cut = at
    return (rest, "") if cut < 0 else (rest[:cut].strip(), rest[cut + 1 :])


def _fields(letters: str, line: str) -> frozenset[Field]:
    found: set[Field] = set()
    for letter in letters:
        if letter in _GROUPS:
            found |= _GROUPS[letter]
        elif letter in list(Field):
            found.add(Field(letter))
        elif letter not in (_QUIT, _REPEAT):
            raise _invalid(line, f"{letter!r} is no field: they are s f t c b r F T, h for s f t c b r, E for F T")
    if Field.CHECK in found:
        return frozenset((Field.CHECK,))
    return frozenset(found) or HEADER_FIELDS | ENVELOPE_FIELDS


def _check_variables(line: str, template: Template, pattern: Pattern) -> None:
    wildcards = pattern.compiled.groups
    for name in names_of(template):
        if name.isdigit() and int(name) > wildcards:
            raise _invalid(line, f"${name} stands for nothing, the pattern has {wildcards} wildcards")
        if not name.isdigit() and name not in KNOWN_VARIABLES:
            raise _invalid(line, f"the variable {name!r} is not known")


def _invalid(line: str, sentence: str) -> EstafetaError:
    return EstafetaError(Kind.INVALID, f"{line[:120]!r}: {sentence}.")
