"""Replacements of rewriting rules: text with variables and lookups, as Exim spells them.

    $1 ${2}                                 what the first, the second ... wildcard matched; $0 the whole address
    $local_part $domain ${qualify_domain}   and other variables that are handed in
    ${lookup{$1}{TABLE}}                    what TABLE has for $1; where it has nothing the rule does not count
    ${lookup{$1}lsearch{TABLE}{yes}{no}}    `yes` with $value for what was found, else `no`; `fail` for `no` as above

A backslash takes the meaning from the character after it. Lookups nest to a small depth. Keys of tables are compared
without case, as lsearch does.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from estafeta.core.errors import EstafetaError, Kind

_MAX_DEPTH = 8
_MAX_RESULT = 1000
_NAME = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|(\d|[A-Za-z][A-Za-z0-9_]*))")
_LOOKUP = re.compile(r"\$\{lookup\s*(?=\{)")
_KIND = re.compile(r"\s*([a-z0-9*@-]*)\s*(?=\{)")
_FAIL = re.compile(r"\s*fail\s*(?=\})")
_TEXT = re.compile(r"[^$\\{}]+")

Lookup = Callable[[str, str], str | None]
"""Table and key to value."""


class Variable(NamedTuple):
    """`$name`."""

    name: str


class LookUp(NamedTuple):
    """`${lookup...}`. `no` None: the whole replacement fails where nothing is found."""

    table: str
    key: "Template"
    yes: "Template"
    no: "Template | None"


Template = tuple["str | Variable | LookUp", ...]


class NothingFound(Exception):  # noqa: N818 - it is no error
    """A lookup found nothing, and its rule does not count."""


def parse_template(text: str) -> Template:
    """The template that `text` is. Raises EstafetaError INVALID."""
    parser = _Parser(text)
    template = tuple(parser.parts(0))
    if parser.at != len(text):
        raise parser.refuse("a closing brace has no opening one")
    return template


def tables_of(template: Template) -> Iterator[str]:
    """The tables in which a template looks up."""
    for part in template:
        if isinstance(part, LookUp):
            yield part.table
            for inner in (part.key, part.yes, part.no or ()):
                yield from tables_of(inner)


def names_of(template: Template) -> Iterator[str]:
    """The variables that a template uses."""
    for part in template:
        if isinstance(part, Variable):
            yield part.name
        elif isinstance(part, LookUp):
            for inner in (part.key, part.yes, part.no or ()):
                yield from names_of(inner)


def expand(template: Template, variables: Mapping[str, str], look_up: Lookup) -> str:
    """The text of a template; unknown variables are empty. Raises NothingFound, also where it grows without measure."""
    found = []
    for part in template:
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, Variable):
            found.append(variables.get(part.name, ""))
        else:
            found.append(_expand_lookup(part, variables, look_up))
    text = "".join(found)
    if len(text) > _MAX_RESULT:
        raise NothingFound
    return text


def _expand_lookup(part: LookUp, variables: Mapping[str, str], look_up: Lookup) -> str:
    value = look_up(part.table, expand(part.key, variables, look_up).strip())
    if value is not None:
        return expand(part.yes, {**variables, "value": value}, look_up)
    if part.no is None:
        raise NothingFound
    return expand(part.no, variables, look_up)


class _Parser:
    """Reads a template from left to right; `at` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def refuse(self, sentence: str) -> EstafetaError:
        return EstafetaError(Kind.INVALID, f"{self.text[:120]!r}: {sentence}.")

    def parts(self, depth: int) -> Iterator[str | Variable | LookUp]:
        """Parts up to a closing brace or the end."""
        if depth > _MAX_DEPTH:
            raise self.refuse("lookups are nested too deeply")
        while self.at < len(self.text) and self.text[self.at] != "}":
            yield self._part(depth)

    def _part(self, depth: int) -> str | Variable | LookUp:
        plain = _TEXT.match(self.text, self.at)
        if plain is not None:
            self.at = plain.end()
            return plain.group()
        if self.text[self.at] == "\\" and self.at + 1 < len(self.text):
            self.at += 2
            return self.text[self.at - 1]
        lookup = _LOOKUP.match(self.text, self.at)
        if lookup is not None:
            self.at = lookup.end()
            return self._lookup(depth)
        name = _NAME.match(self.text, self.at)
        if name is None:
            raise self.refuse(f"{self.text[self.at : self.at + 20]!r} is not understood")
        self.at = name.end()
        return Variable(name[1] or name[2])

    def _lookup(self, depth: int) -> LookUp:
        key = self._argument(depth)
        kind = _KIND.match(self.text, self.at)
        if kind is None:
            raise self.refuse("a lookup needs a table: write ${lookup{KEY}{TABLE}}")
        if kind[1] not in ("", "lsearch"):
            raise self.refuse(f"lookups of the kind {kind[1]!r} are not known: only lsearch is")
        self.at = kind.end()
        table = self._argument(depth)
        if len(table) != 1 or not isinstance(table[0], str) or not table[0].strip():
            raise self.refuse("the table of a lookup must be a plain name")
        yes: Template = (Variable("value"),)
        no: Template | None = None
        if self._opens():
            yes = self._argument(depth)
            no = self._argument(depth) if self._opens() else None
        failing = _FAIL.match(self.text, self.at)
        self.at = failing.end() if failing is not None and no is None else self.at
        self._skip_blanks()
        if self.text[self.at : self.at + 1] != "}":
            raise self.refuse("a lookup has no closing brace")
        self.at += 1
        return LookUp(table[0].strip(), key, yes, no)

    def _argument(self, depth: int) -> Template:
        """What stands in braces, without the blanks around it."""
        if not self._opens():
            raise self.refuse("an opening brace is missing")
        self.at += 1
        self._skip_blanks()
        found = list(self.parts(depth + 1))
        if self.text[self.at : self.at + 1] != "}":
            raise self.refuse("a closing brace is missing")
        self.at += 1
        if found and isinstance(found[-1], str):
            found[-1] = found[-1].rstrip()
        return tuple(found)

    def _opens(self) -> bool:
        self._skip_blanks()
        return self.text[self.at : self.at + 1] == "{"

    def _skip_blanks(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
