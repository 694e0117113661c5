"""`Rewriter`: addresses made over by rules, in order, in the envelope and in the header.

Each rule works on what the rules before it made. An address that a rule would turn into something that is no address
stays as it is, as does one for which a lookup finds nothing. What a rule does not touch stays octet for octet.
Pure and never raises; threads may share one. Without rules nothing is looked at.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from estafeta.core.errors import EstafetaError
from estafeta.mail.address import Address, domain_key, parse_address, quote_local
from estafeta.routing.headeraddresses import rewrite_addresses
from estafeta.routing.rewriterules import (
    HEADER_FIELDS,
    Field,
    Rule,
    Tables,
    join_lines,
    parse_lookup_file,
    parse_lookup_line,
    parse_rule,
    read_lookup_file,
    used_tables,
)
from estafeta.routing.templates import NothingFound, expand
from estafeta.routing.values import Step

__all__ = ["Field", "Rewriter", "Rewriting", "build_rewriter", "read_lookup_file"]

_MAX_REPEATS = 10
_MAX_REMEMBERED = 10_000
_RULE = "rewrite.address_rules"
_FIELD_NAMES = {
    "sender": Field.SENDER,
    "from": Field.FROM,
    "to": Field.TO,
    "cc": Field.CC,
    "bcc": Field.BCC,
    "reply-to": Field.REPLY_TO,
}


class RewriteSettings(Protocol):
    """The section `rewrite` of the settings."""

    @property
    def address_rules(self) -> Sequence[str]: ...
    @property
    def lookup_table(self) -> Sequence[str]: ...


class Rewriting(NamedTuple):
    """What becomes of an address in one field, and the rules that were asked."""

    field: Field
    address: Address
    steps: tuple[Step, ...]


class Rewriter:
    """See the module. `variables`: qualify_domain and primary_hostname. `problems`: tables that could not be read."""

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        tables: Tables | None = None,
        variables: Mapping[str, str] | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        self.rules = tuple(rules)
        self.problems = tuple(problems)
        self._tables = tables or {}
        self._variables = dict(variables or {})
        self._by_field = {field: [rule for rule in self.rules if field in rule.fields] for field in Field}
        self._known: dict[tuple[str, str, str], Address] = {}
        self.has_header_rules = any(self._by_field[field] for field in HEADER_FIELDS)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def rewrite_address(self, address: Address, field: Field) -> Address:
        """What `address` becomes in `field`: the same object where no rule changes it."""
        if not self._by_field[field] or not address.domain:
            return address
        key = (field, address.local, address.domain)
        known = self._known.get(key)
        if known is None:
            known = self._apply(address, field, None)
            if len(self._known) >= _MAX_REMEMBERED:
                self._known = {}
            self._known[key] = known
        return address if known == address and str(known) == str(address) else known

    def check_address(self, address: Address) -> Address:
        """What must be an address that may be used, for `address` to be one: rules with the letter X."""
        return self.rewrite_address(address, Field.CHECK)

    def rewrite_header(self, block: bytes) -> bytes:
        """A header (with or without its empty line, line ends CR LF or LF) with the addresses of From, Sender,
        Reply-To, To, Cc, Bcc and their Resent- forms rewritten; the same object where nothing changes."""
        return rewrite_addresses(block, self._change) if self.has_header_rules else block

    def explain(self, address: Address) -> tuple[Rewriting, ...]:
        """What becomes of `address` in every field that has rules."""
        found = []
        for field, rules in self._by_field.items():
            if rules:
                steps: list[Step] = []
                found.append(Rewriting(field, self._apply(address, field, steps), tuple(steps)))
        return tuple(found)

    def _change(self, name: str, address: Address) -> Address:
        return self.rewrite_address(address, _FIELD_NAMES[name])

    def _apply(self, address: Address, field: Field, steps: list[Step] | None) -> Address:
        note: Callable[[str], None] = (lambda words: None) if steps is None else partial(_note, steps)
        for rule in self._by_field[field]:
            used = False
            for _ in range(_MAX_REPEATS if rule.repeat else 1):
                made = self._use(rule, address, note)
                if made is None:
                    break
                used, changed, address = True, str(made) != str(address), made
                if not changed:
                    break
            if used and (rule.quit or rule.template is None):
                note(f"`{rule.text}` ends the search")
                break
        return address

    def _use(self, rule: Rule, address: Address, note: Callable[[str], None]) -> Address | None:
        """What one rule makes of `address`; None where it does not count."""
        groups = rule.pattern.match(address)
        if groups is None:
            note(f"`{rule.text}` does not match {address}")
            return None
        if rule.template is None:
            note(f"`{rule.text}` leaves {address} as it is")
            return address
        try:
            made = self._expand(rule, address, groups)
        except NothingFound:
            note(f"`{rule.text}` matches, but its lookup finds nothing")
            return None
        except EstafetaError as error:
            note(f"`{rule.text}` matches, but what it makes is no address: {error.public}")
            return None
        note(f"`{rule.text}` makes {made} of {address}")
        return made

    def _expand(self, rule: Rule, address: Address, groups: tuple[str, ...]) -> Address:
        variables = {str(number): text for number, text in enumerate(groups, 1)}
        variables |= {"0": str(address), "local_part": address.local, "domain": domain_key(address.domain)}
        text = expand(rule.template or (), variables | self._variables, self._look_up).strip()
        local, at, domain = text.rpartition("@")
        if not at:
            local, domain = text, self._variables.get("qualify_domain", "")
        if local and not local.startswith('"'):
            local = quote_local(local)  # what a wildcard matched stands without its quotes
        # A domain beyond ASCII would make a message of plain ASCII one that needs SMTPUTF8.
        return parse_address(f"{local}@{domain_key(domain) if local.isascii() else domain}")

    def _look_up(self, table: str, key: str) -> str | None:
        return self._tables.get(table, {}).get(key.lower())


def build_rewriter(
    settings: RewriteSettings,
    *,
    qualify_domain: str = "",
    host_name: str = "",
    read_file: Callable[[str], str] | None = read_lookup_file,
) -> Rewriter:
    """The rewriter of the section `rewrite`. Raises EstafetaError INVALID for a line that cannot be understood.

    A table whose name begins with / and that no line of `lookup_table` fills is a file, which is read now. One that
    cannot be read is empty, and said in `problems`: mail goes on."""
    rules = [parse_rule(line) for line in join_lines(settings.address_rules)]
    tables: dict[str, dict[str, str]] = {}
    for line in settings.lookup_table:
        table, key, value = parse_lookup_line(line)
        tables.setdefault(table, {}).setdefault(key, value)
    problems = []
    for table in used_tables(rules):
        if table in tables:
            continue
        try:
            tables[table] = parse_lookup_file(read_file(table)) if read_file and table.startswith("/") else {}
        except EstafetaError as error:
            problems.append(error.public)
        if not table.startswith("/"):
            problems.append(f"The table {table!r} of a rewriting rule has no lines.")
    variables = {"qualify_domain": qualify_domain, "primary_hostname": host_name}
    return Rewriter(rules, tables, variables, problems)


def _note(steps: list[Step], words: str) -> None:
    steps.append(Step(_RULE, words))
