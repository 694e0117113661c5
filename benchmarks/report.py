"""The result of a run as a table on the terminal, as Markdown for the documentation, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.bench import Section, Target

_MET = {True: "yes", False: "no", None: "-"}


@dataclass(frozen=True, slots=True)
class Report:
    """`machine` and `command` say where the figures come from, `skipped` maps what is missing to the reason, `failed`
    what went wrong."""

    machine: str
    command: str
    versions: dict[str, str]
    skipped: dict[str, str]
    failed: dict[str, str]
    sections: list[Section]

    @property
    def targets(self) -> list[Target]:
        return [target for section in self.sections for target in section.targets]

    @property
    def provenance(self) -> list[str]:
        versions = dict.fromkeys(part for version in self.versions.values() for part in version.split(", "))
        lines = [f"Machine: {self.machine}.", f"Servers: {', '.join(versions)}."]
        lines.append(f"Command: `{self.command}`.")
        lines += [f"Not measured: {name}: {reason}." for name, reason in self.skipped.items()]
        return lines + [f"FAILED: {name}: {reason}." for name, reason in self.failed.items()]


def show(report: Report, console: Console) -> None:
    """Prints the tables."""
    for section in report.sections:
        console.print()
        console.print(_table(section.title, section.columns, section.rows))
        for note in section.notes:
            console.print(note, style="dim", highlight=False, markup=False)
    if report.targets:
        console.print()
        console.print(_table("Targets", _TARGET_COLUMNS, _target_rows(report.targets)))
    console.print()
    for line in report.provenance:
        console.print(line, highlight=False, markup=False)


def to_markdown(report: Report) -> str:
    """The same for the documentation."""
    parts = ["\n\n".join(report.provenance)]
    for section in report.sections:
        notes = "\n".join(f"- {note}" for note in section.notes)
        parts.append(f"## {section.title}\n\n{_markdown(section.columns, section.rows)}\n\n{notes}")
    if report.targets:
        parts.append(f"## Targets\n\n{_markdown(_TARGET_COLUMNS, _target_rows(report.targets))}")
    return "\n\n".join(parts) + "\n"


def to_json(report: Report) -> str:
    """Everything, run by run."""
    return json.dumps(asdict(report), indent=1)


_TARGET_COLUMNS = ["target", "wanted", "measured", "met"]


def _target_rows(targets: Iterable[Target]) -> list[list[str]]:
    return [[target.name, target.wanted, target.measured, _MET[target.met]] for target in targets]


def _table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        numeric = number > 0 and all(_is_figure(row[number]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for number, row in enumerate(rows):
        last = number + 1 == len(rows) or rows[number + 1][0] != row[0]
        table.add_row(*row, end_section=last and len({row[0] for row in rows}) < len(rows))
    return table


def _markdown(columns: list[str], rows: list[list[str]]) -> str:
    figures = [bool(number) and all(_is_figure(row[number]) for row in rows) for number in range(len(columns))]
    lines = [columns, ["---:" if figure else "---" for figure in figures], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _is_figure(text: str) -> bool:
    return text[:1].isdigit()
