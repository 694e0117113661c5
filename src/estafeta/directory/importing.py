"""Files of other mail systems taken apart: /etc/aliases, passwd and shadow, `user:hash`, email-addresses.

Text in, entries and problems out: nothing is looked up and nothing stored. A line that cannot be used is reported with
its number, never dropped in silence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from estafeta.directory.model import LineProblem

_SYSTEM_UIDS = 1000
"""Below it are the system's own accounts, which read no mail (login.defs: UID_MIN)."""


@dataclass(frozen=True, slots=True)
class AliasEntry:
    """One alias as written: `name` and `targets` may lack a domain."""

    line: int
    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PasswdEntry:
    """One user of a password file. `hash` is as it stands there: perhaps locked (`!`) or kept elsewhere (`x`)."""

    line: int
    name: str
    hash: str
    display_name: str


@dataclass(frozen=True, slots=True)
class PairEntry:
    """`name: value`."""

    line: int
    name: str
    value: str


def parse_aliases(text: str) -> tuple[list[AliasEntry], list[LineProblem]]:
    """The entries of an aliases file: comments, continuation lines, quoted names and targets.

    Programs, files and `:include:` cannot be targets here: each is a problem, and its entry keeps the other targets.
    """
    entries: list[AliasEntry] = []
    problems: list[LineProblem] = []
    for number, line in _logical_lines(text):
        name, colon, value = _split_name(line)
        if not colon or not name:
            problems.append(LineProblem(number, line, "It has no name before a colon."))
            continue
        targets: list[str] = []
        for target in _split_targets(value):
            reason = _unsupported(target)
            if reason:
                problems.append(LineProblem(number, target, reason))
            else:
                targets.append(_plain_target(target))
        if targets:
            entries.append(AliasEntry(number, name, tuple(targets)))
        elif not value.strip():
            problems.append(LineProblem(number, line, "It has no target behind the colon."))
    return entries, problems


def render_alias(name: str, targets: tuple[str, ...]) -> str:
    """One line of an aliases file."""
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"' if re.search(r'[\s:#,"\\]', name) else name
    return f"{quoted}: {', '.join(targets)}"


def parse_passwd(text: str) -> tuple[list[PasswdEntry], list[LineProblem]]:
    """The users of a passwd(5) or shadow(5) file, or of lines `user:hash` as Exim and Dovecot keep them."""
    entries: list[PasswdEntry] = []
    problems: list[LineProblem] = []
    for number, line in _data_lines(text):
        fields = line.split(":")
        name = fields[0].strip()
        if len(fields) < 2 or not name:
            problems.append(LineProblem(number, _shown(line), "It is not of the form user:hash."))
        elif name in ("+", "-") or name.startswith(("+@", "-@")):
            problems.append(LineProblem(number, _shown(line), "Entries of a network directory (NIS) are not followed."))
        elif len(fields) == 7 and (reason := _system_account(fields)):
            problems.append(LineProblem(number, name, reason))
        else:
            display_name = fields[4].partition(",")[0] if len(fields) == 7 else ""
            entries.append(PasswdEntry(number, name, fields[1].strip(), display_name))
    return entries, problems


def parse_pairs(text: str) -> tuple[list[PairEntry], list[LineProblem]]:
    """Lines `user: address`, as in Exim's and Debian's /etc/email-addresses."""
    entries: list[PairEntry] = []
    problems: list[LineProblem] = []
    for number, line in _data_lines(text):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if colon and name and value:
            entries.append(PairEntry(number, name, value))
        else:
            problems.append(LineProblem(number, line, "It is not of the form user: address."))
    return entries, problems


def _data_lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """aliases(5): a line that begins with white space goes on the one before; comments and empty lines are nothing."""
    started, current = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" and current:
            current += " " + line.strip()
            continue
        if current:
            yield started, current
        started, current = number, line.strip()
    if current:
        yield started, current


def _split_name(line: str) -> tuple[str, str, str]:
    """The name, whether there is a colon, and what follows it."""
    quoted = re.match(r'"((?:[^"\\]|\\.)*)"\s*(:?)(.*)', line)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted[1]), quoted[2], quoted[3]
    name, colon, value = line.partition(":")
    return name.strip(), colon, value


def _split_targets(value: str) -> list[str]:
    """Targets between commas; within quotes commas and `#` belong to the target, elsewhere ` #` begins a comment."""
    pieces: list[str] = [""]
    quoted = escaped = False
    for character in value:
        if character == "#" and not quoted and pieces[-1][-1:] in ("", " ", "\t"):
            break
        if character == "," and not quoted:
            pieces.append("")
            continue
        pieces[-1] += character
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and quoted and not escaped
    return [piece.strip() for piece in pieces if piece.strip()]


def _unsupported(target: str) -> str:
    inner = target.strip('"').lstrip()
    if inner.startswith("|"):
        return "Delivery to a program is not supported."
    if inner.startswith("/"):
        return "Delivery into a file is not supported."
    if inner.lower().startswith(":include:"):
        return "An included file is not followed; add its members as targets or as a group."
    if inner.startswith(":"):
        return f"{inner.split()[0]} is not supported."
    return ""


def _plain_target(target: str) -> str:
    r"""The address of a target; `\name`, which other systems read as "no further alias", is the name."""
    if target.startswith('"') and target.endswith('"') and "@" not in target:
        target = re.sub(r"\\(.)", r"\1", target[1:-1])
    return target.removeprefix("\\").strip().removeprefix("<").removesuffix(">")


def _system_account(fields: list[str]) -> str:
    if fields[2].isdigit() and not _SYSTEM_UIDS <= int(fields[2]) < 65534:
        return "It is an account of the system, not of a person."
    return ""


def _shown(line: str) -> str:
    """The name only: the rest of a line may be a password."""
    return line.partition(":")[0][:80]
