"""The generated reference pages: complete, and checked."""

from pathlib import Path

import pytest

from estafeta.app.config import NodeConfig
from estafeta.cli import docs
from estafeta.directory.settings_catalog import SETTINGS


def test_every_command_and_setting_is_there():
    pages = docs.render_pages()
    for words in ("estafeta setup", "estafeta user add", "estafeta config rollback", "estafeta certificate install"):
        assert f"## `{words}`" in pages["commands.md"]
    assert all(f"`{key}`" in pages["settings.md"] for key in SETTINGS)
    assert all(
        f"`{field.alias or name}`" in pages["settings.md"] or field.alias or name in ("log", "database", "lab")
        for name, field in NodeConfig.model_fields.items()
    )
    assert "`port`" in pages["settings.md"]


def test_every_option_is_explained():
    for line in docs.render_commands().splitlines():
        assert not (line.startswith("- `") and line.endswith("`: ")), line


def test_check_fails_until_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    assert docs.main(["--check"]) == 1
    assert "docs/reference/commands.md does not say what the program says" in capsys.readouterr().err
    assert docs.main(["--write"]) == 0
    assert docs.main(["--check"]) == 0
    page = tmp_path / "docs/reference/settings.md"
    page.write_text(page.read_text() + "x")
    assert docs.main(["--check"]) == 1
    assert docs.main([]) == 2
