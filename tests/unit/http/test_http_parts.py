"""The parts of the pages that need no connection."""

import dataclasses
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.servers.http.language import LANGUAGES, choose_language
from estafeta.servers.http.pages import TEXTS, Button, Link, Page, error_page, render_page


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("fr, ja;q=0.3, es;q=0.7", "es"),
        ("ja;q=0", "en"),
        ("*", "en"),
        ("de, *;q=0.1", "en"),
        ("JA-jp", "ja"),
        ("es;q=x, ja", "ja"),
        ("en;q=0.5,es;q=0.5", "en"),
        (",".join(["de"] * 30 + ["es"]), "en"),
    ],
)
def test_choosing_a_language(accepted: str, language: str) -> None:
    assert choose_language(accepted, "en") == language


@given(st.text(), st.sampled_from(LANGUAGES))
def test_any_header_gives_a_language(accepted: str, default: str) -> None:
    assert choose_language(accepted, default) in LANGUAGES


def test_the_languages_say_the_same() -> None:
    def fields(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    english, *others = (TEXTS[language] for language in LANGUAGES)
    for other in others:
        for name, text in dataclasses.asdict(english).items():
            said = getattr(other, name)
            if isinstance(text, str):
                assert fields(said) == fields(text), name
            else:
                assert set(said) == set(text)


@given(st.text(min_size=1))
def test_what_a_page_says_is_never_markup(text: str) -> None:
    page = Page("en", text, (text,), (Button(text, text),), text, text, Link(text, text, text))
    plain = render_page(Page("en", "x", ("x",), (Button("x", "x"),), "x", "x", Link("x", "x", "x")))
    for octet in b'<>"':
        assert render_page(page).count(octet) == plain.count(octet)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 418, 429, 500, 502, 503])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_has_a_page(language: str, status: int) -> None:
    page = error_page(language, status)
    assert page.title
    assert page.paragraphs[0]
