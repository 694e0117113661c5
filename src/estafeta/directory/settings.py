"""The site's settings in the store: read, changed with who, when and why, applied as a text, rolled back.

`SiteSettings.current` is one frozen `Settings`; the rest of the server reads it there each time it needs a value, so
that a reload takes effect without a restart. Only values that differ from the default are stored. A stored value that
this version does not know or no longer allows never stops a server: the default holds and `problems` says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory import settings_text
from estafeta.directory.model import Clock
from estafeta.directory.sequences import next_value, read_value
from estafeta.directory.settings_catalog import (
    SETTINGS,
    Json,
    SettingInfo,
    build,
    check_value,
    find_setting,
    parse_value,
)
from estafeta.directory.settings_model import Settings
from estafeta.directory.tables import setting_changes
from estafeta.directory.tables import settings as settings_table
from estafeta.storage.database import Database, Transaction

__all__ = ["Difference", "SettingChange", "Settings", "SiteSettings"]

_VERSION = "settings.version"
_CHANGE = "setting_change"


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting and its values before and after, as JSON values."""

    key: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One change as it is kept: all settings that changed together."""

    change_id: int
    changed_seconds: int
    who: str
    why: str
    differences: tuple[Difference, ...]


class SiteSettings:
    """The settings of the site. Synchronous; `current` costs nothing, everything else asks the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._version = -1
        self.current = Settings()
        self.problems: tuple[str, ...] = ()

    def reload(self) -> Settings:
        """Read the stored settings again; on the bus topic `settings`, and at start."""
        with self._database.read() as conn:
            self._version = read_value(conn, _VERSION)
            stored = _stored(conn)
        values, problems = _usable(stored)
        self.problems = problems
        self.current = build(values)
        return self.current

    def poll_version(self) -> bool:
        """Reload if someone changed a setting since; True if so. One small query, for lost announcements."""
        with self._database.read() as conn:
            version = read_value(conn, _VERSION)
        if version == self._version:
            return False
        self.reload()
        return True

    def show(self, key: str) -> Json:
        """The value that holds for `key`."""
        return self._values().get(find_setting(key).key, find_setting(key).default)

    def list_settings(self) -> dict[str, Json]:
        """Every key with the value that holds, in the order of the reference page."""
        values = self._values()
        return {key: values.get(key, info.default) for key, info in SETTINGS.items()}

    def set_setting(self, key: str, text: str, who: str, why: str = "") -> list[Difference]:
        """Set `key` to what a person typed. EstafetaError INVALID: no such key, or not such a value."""
        info = find_setting(key)
        return self._change({info.key: parse_value(info, text)}, who, why)

    def reset_setting(self, key: str, who: str, why: str = "") -> list[Difference]:
        """Back to the default."""
        return self._change({find_setting(key).key: None}, who, why)

    def set_values(self, values: Mapping[str, object], who: str, why: str = "") -> list[Difference]:
        """Set several keys to JSON values at once or not at all; the other settings stay."""
        return self._change({key: check_value(find_setting(key), value) for key, value in values.items()}, who, why)

    def export_toml(self) -> str:
        """Every setting with its meaning; those at their default are commented out."""
        return settings_text.render_toml(self._values())

    def apply_toml(self, text: str, who: str, why: str = "", *, dry_run: bool = False) -> list[Difference]:
        """Make the settings what `text` says, wholly or not at all; what it leaves out returns to its default.

        With `dry_run` only the differences are returned. EstafetaError INVALID says the first thing that is wrong.
        """
        wanted = settings_text.parse_toml(text)
        every = {key: wanted.get(key) for key in SETTINGS}
        return self._change(every, who, why, dry_run=dry_run)

    def history(self, limit: int = 50) -> list[SettingChange]:
        """The last changes, newest first."""
        newest = select(setting_changes.c.change_id).distinct().order_by(setting_changes.c.change_id.desc())
        with self._database.read() as conn:
            ids = list(conn.execute(newest.limit(limit)).scalars())
            return [_read_change(conn, change_id) for change_id in ids]

    def rollback(self, change_id: int, who: str, why: str = "") -> list[Difference]:
        """Give the settings of one change their values from before it; that is a new change itself.

        EstafetaError NOT_FOUND for an unknown change, IN_USE if one of its settings was changed again since.
        """
        with self._database.read() as conn:
            change = _read_change(conn, change_id)
            later = _changed_since(conn, change)
        if later:
            raise EstafetaError(
                Kind.IN_USE, f"{later} was changed again after change {change_id}; roll that back first."
            )
        known = [entry for entry in change.differences if entry.key in SETTINGS]
        return self._change({entry.key: entry.old for entry in known}, who, why or f"rollback of {change_id}")

    def _values(self) -> dict[str, Json]:
        with self._database.read() as conn:
            return _usable(_stored(conn))[0]

    def _change(
        self, wanted: Mapping[str, Json | None], who: str, why: str, *, dry_run: bool = False
    ) -> list[Difference]:
        """Store what differs. A value of None or equal to the default is the default, kept by having no row."""
        with self._database.write() as tx:
            if not dry_run:
                # First of all: on PostgreSQL its row lock makes changes of all processes wait for each other.
                next_value(tx.conn, _VERSION)
            stored = _usable(_stored(tx.conn))[0]
            found = [_difference(SETTINGS[key], stored, value) for key, value in wanted.items()]
            differences = [entry for entry in found if entry.old != entry.new]
            if differences and not dry_run:
                self._record(tx, differences, who, why)
        if differences and not dry_run:
            self.reload()
        return differences

    def _record(self, tx: Transaction, differences: list[Difference], who: str, why: str) -> None:
        keys = [entry.key for entry in differences]
        tx.conn.execute(delete(settings_table).where(settings_table.c.key.in_(keys)))
        rows = [
            {"key": entry.key, "value": json.dumps(entry.new)}
            for entry in differences
            if entry.new != SETTINGS[entry.key].default
        ]
        if rows:
            tx.conn.execute(insert(settings_table), rows)
        common = {"change_id": next_value(tx.conn, _CHANGE), "changed_seconds": int(self._clock())}
        tx.conn.execute(
            insert(setting_changes),
            [
                {**common, "who": who, "why": why, "key": e.key, "old": json.dumps(e.old), "new": json.dumps(e.new)}
                for e in differences
            ],
        )
        tx.announce("settings")


def _stored(conn: Connection) -> dict[str, str]:
    return {row.key: row.value for row in conn.execute(select(settings_table.c.key, settings_table.c.value))}


def _usable(stored: Mapping[str, str]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """What of the stored values holds in this version, and a sentence for each that does not."""
    values: dict[str, Json] = {}
    problems: list[str] = []
    for key, text in stored.items():
        try:
            info = find_setting(key)
            values[key] = check_value(info, json.loads(text))
        except EstafetaError as error:
            problems.append(f"A stored setting is ignored: {error.public}")
        except ValueError:
            problems.append(f"A stored setting is ignored: {key} is not readable.")
    return values, tuple(problems)


def _difference(info: SettingInfo, stored: Mapping[str, Json], value: Json | None) -> Difference:
    old = stored.get(info.key, info.default)
    return Difference(info.key, old, info.default if value is None else value)


def _read_change(conn: Connection, change_id: int) -> SettingChange:
    query = select(setting_changes).where(setting_changes.c.change_id == change_id).order_by(setting_changes.c.key)
    rows = conn.execute(query).all()
    if not rows:
        raise EstafetaError(Kind.NOT_FOUND, f"There is no change {change_id} of the settings.")
    differences = tuple(Difference(row.key, json.loads(row.old), json.loads(row.new)) for row in rows)
    first = rows[0]
    return SettingChange(change_id, first.changed_seconds, first.who, first.why, differences)


def _changed_since(conn: Connection, change: SettingChange) -> str:
    keys = [entry.key for entry in change.differences]
    query = select(func.min(setting_changes.c.key)).where(
        setting_changes.c.change_id > change.change_id, setting_changes.c.key.in_(keys)
    )
    return conn.execute(query).scalar() or ""
