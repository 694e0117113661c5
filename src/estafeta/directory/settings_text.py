"""Settings as text: the TOML that an operator edits, and the reference page."""

import json
import textwrap
import tomllib
from collections.abc import Mapping

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings_catalog import SETTINGS, Json, SettingInfo, check_value, find_setting
from estafeta.directory.settings_model import Settings

_HEAD = """\
# Settings of the site. A line that begins with '# ' and a name shows a default; take the '# ' away to change it.
# `estafeta config apply FILE` makes the settings what this file says: what it leaves out returns to its default.
"""


def render_toml(values: Mapping[str, Json]) -> str:
    """Every setting with its meaning; those not in `values`, or at their default there, are commented out."""
    lines = [_HEAD]
    section = ""
    for info in SETTINGS.values():
        if info.section != section:
            section = info.section
            lines.append(f"[{section}]")
        lines.extend(_comment(info))
        value = values.get(info.key, info.default)
        mark = "# " if value == info.default else ""
        lines.append(f"{mark}{info.name} = {_toml(value)}\n")
    return "\n".join(lines)


def parse_toml(text: str) -> dict[str, Json]:
    """The settings that `text` names, checked. EstafetaError INVALID says the first thing that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EstafetaError(Kind.INVALID, f"This is not TOML: {error}.") from error
    found: dict[str, Json] = {}
    for section, content in document.items():
        if not isinstance(content, dict):
            raise EstafetaError(Kind.INVALID, f"{section!r} stands outside a section such as [smtp].")
        for name, value in content.items():
            info = find_setting(f"{section}.{name}")
            found[info.key] = check_value(info, value)
    return found


def render_reference() -> str:
    """The reference page in Markdown."""
    parts = [
        "# Settings\n",
        "Generated from the settings themselves. Change one with `estafeta config set SECTION.NAME VALUE`; sizes take",
        "`KiB`, `MiB`, `GiB` and times `s`, `m`, `h`, `d`, `w`, lists are written with commas.\n",
    ]
    section = ""
    for info in SETTINGS.values():
        if info.section != section:
            section = info.section
            parts.append(f"## {section}\n\n{_about(section)}\n")
        parts.append(f"### `{info.key}`\n\n{info.description}\n")
        parts.append(f"- Value: {info.allowed}\n- Default: `{_toml(info.default)}`\n")
    return "\n".join(parts)


def _about(section: str) -> str:
    annotation = Settings.model_fields[section].annotation
    return (annotation.__doc__ or "").strip() if annotation else ""


def _comment(info: SettingInfo) -> list[str]:
    words = f"{info.description} Value: {info.allowed}. Default: {_toml(info.default)}."
    # Two signs, so that no line of prose is taken for a setting that was commented out.
    return textwrap.wrap(words, 108, initial_indent="## ", subsequent_indent="## ")


def _toml(value: Json) -> str:
    """JSON's form of these values is TOML's too, but for the escape of DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
