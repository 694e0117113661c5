"""Settings: declared with bounds and reasons, checked in sentences, kept with who and why, rolled back."""

import contextlib
import json
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.settings import Difference, SiteSettings
from estafeta.directory.settings_catalog import SETTINGS, check_value, parse_value
from estafeta.directory.settings_model import Settings
from estafeta.directory.settings_text import parse_toml, render_reference, render_toml
from estafeta.directory.tables import settings as settings_table


@pytest.fixture
def store(site):
    site.settings.reset_setting("auth.scram_iterations", "test")
    return site.settings


@pytest.mark.parametrize("info", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_says_what_it_is_for(info):
    assert len(info.description) > 20
    assert info.description.endswith(".")
    assert info.allowed
    if info.kind is int:
        assert "from" in info.allowed
        units = (
            "bytes",
            "mib",
            "seconds",
            "days",
            "percent",
            "minutes",
            "messages",
            "port",
            "per_user",
            "per_day",
            "per_hour",
            "per_minute",
        )
        counts = ("max_", "min_", "least_", "user_least_", "failures", "argon2_passes", "scram_iterations")
        assert info.name.endswith(units) or info.name.startswith(counts), "a number needs its unit in its name"
    assert check_value(info, info.default) == info.default


def test_the_reference_page_has_every_setting():
    page = render_reference()
    assert all(f"### `{key}`" in page for key in SETTINGS)
    assert "- Value: a whole number from 65536 to 1099511627776 bytes" in page


def test_the_reference_points_of_the_standards_hold():
    now = Settings()
    assert now.smtp.max_recipients >= 100  # RFC 5321 4.5.3.1.8
    assert now.smtp.command_timeout_seconds >= 300  # RFC 5321 4.5.3.2.7
    assert now.pop3.inactivity_seconds >= 600  # RFC 1939 3
    assert now.auth.clear_text_networks == ()
    assert now.relay.networks == ("127.0.0.0/8", "::1/128")


TYPED = [
    ("smtp.max_message_bytes", "10 MiB", 10 << 20),
    ("smtp.max_message_bytes", "70000", 70000),
    ("smtp.command_timeout_seconds", "5m", 300),
    ("smtp.bare_lf", "accept", "accept"),
    ("smtp.vrfy", "yes", True),
    ("pop3.apop", "Off", False),
    ("relay.networks", "10.1.2.3/8, ::1 192.0.2.7", ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]),
    ("relay.networks", "", []),
    ("local.host_names", "MX.Example.org., español.example", ["mx.example.org", "xn--espaol-zwa.example"]),
    # IDNA 2008, as in mail from there.
    ("dkim.unsigned_domains", "Straße.example", ["xn--strae-oqa.example"]),
    ("dmarc.trusted_sealers", "Lists.Example.org.", ["lists.example.org"]),
    ("local.postmaster", "ana@example.org", "ana@example.org"),
    ("local.extension_separators", "-+", "-+"),
    ("local.never_users", "root,daemon", ["root", "daemon"]),
]


@pytest.mark.parametrize(("key", "text", "value"), TYPED)
def test_values_are_taken_as_people_type_them(key, text, value):
    assert parse_value(SETTINGS[key], text) == value


WRONG = [
    ("smtp.max_recipient", "3", "There is no setting 'smtp.max_recipient'; the nearest is 'smtp.max_recipients'."),
    ("max_recipients", "3", "the nearest is 'smtp.max_recipients'"),
    ("zzz", "3", "lists them"),
    ("smtp.max_recipients", "many", "must be a whole number from 100 to 100000, not 'many'."),
    ("smtp.max_recipients", "5", "must be a whole number from 100 to 100000, not 5."),
    ("smtp.max_recipients", "200 MiB", "whole number"),
    ("smtp.max_message_bytes", "3 apples", "bytes, not '3 apples'."),
    ("smtp.bare_lf", "perhaps", "must be reject or accept"),
    ("relay.sender_must_be", "x", "own, local-domain or any"),
    ("smtp.expn", "perhaps", "must be on or off"),
    ("relay.networks", "10.0.0.0/99", "'10.0.0.0/99' is not a network"),
    ("local.addresses", "host", "not an IP address"),
    ("local.host_names", "a..b", "not a host name"),
    ("local.extension_separators", "x", "cannot separate"),
    ("local.postmaster", "ana", "e-mail address"),
    ("tls.minimum_version", "1.1", "1.2 or 1.3"),
    ("smtp.banner", "x" * 300, "200 characters"),
]


@pytest.mark.parametrize(("key", "text", "sentence"), WRONG)
def test_a_wrong_value_is_refused_in_one_sentence(store, key, text, sentence):
    with pytest.raises(EstafetaError) as caught:
        store.set_setting(key, text, "ana")
    assert caught.value.kind is Kind.INVALID
    assert sentence in caught.value.public
    assert "\n" not in caught.value.public
    assert store.current == Settings()


def test_a_change_is_kept_with_who_when_and_why(store, site):
    site.announced.clear()
    assert store.set_setting("smtp.max_recipients", "200", "ana", "a test") == [
        Difference("smtp.max_recipients", 1000, 200)
    ]
    assert store.current.smtp.max_recipients == 200
    assert store.show("smtp.max_recipients") == 200
    assert store.list_settings()["smtp.max_recipients"] == 200
    change = store.history()[0]
    assert (change.who, change.why, change.changed_seconds) == ("ana", "a test", int(site.clock.now))
    assert site.announced == ["settings"]
    assert store.set_setting("smtp.max_recipients", "200", "ana") == []
    assert store.reset_setting("smtp.max_recipients", "ana") == [Difference("smtp.max_recipients", 200, 1000)]
    assert store.current == Settings()


def test_rollback(store):
    store.set_values({"smtp.max_recipients": 200, "smtp.expn": True}, "ana")
    store.set_setting("smtp.max_recipients", "300", "ana")
    second, first = (change.change_id for change in store.history(2))
    with pytest.raises(EstafetaError, match="changed again after"):
        store.rollback(first, "ana")
    with pytest.raises(EstafetaError, match="no change 999"):
        store.rollback(999, "ana")
    assert store.rollback(second, "ana") == [Difference("smtp.max_recipients", 300, 200)]
    assert store.current.smtp.expn
    assert store.history()[0].why == f"rollback of {second}"
    with pytest.raises(EstafetaError, match="changed again"):
        store.rollback(second, "ana")


def test_other_workers_see_a_change(store, site):
    other = SiteSettings(site.database, site.clock)
    other.reload()
    assert not other.poll_version()
    store.set_setting("smtp.vrfy", "on", "ana")
    assert other.poll_version()
    assert other.current.smtp.vrfy


def test_a_stored_value_that_no_longer_holds_stops_nothing(store, site):
    with site.database.write() as tx:
        for key, value in (("smtp.gone", "1"), ("smtp.max_recipients", "7"), ("smtp.vrfy", "{"), ("smtp.expn", "true")):
            tx.conn.execute(settings_table.insert().values(key=key, value=value))
    assert store.reload() == Settings(smtp={"expn": True})
    assert len(store.problems) == 3


def test_the_exported_text_applies_to_nothing(store):
    store.set_values(
        {"smtp.max_recipients": 200, "local.never_users": ["root", "x y"], "smtp.banner": 'a "b" \\'}, "ana"
    )
    text = store.export_toml()
    assert "max_recipients = 200" in text.splitlines()
    assert "# max_bad_commands = 10" in text
    assert store.apply_toml(text, "ana") == []
    loud = "\n".join(line.removeprefix("# ") for line in text.splitlines() if not line.startswith("# Settings"))
    assert parse_toml("\n".join(loud.splitlines()[2:])).keys() == SETTINGS.keys()


def test_a_text_is_applied_wholly_or_not_at_all(store):
    store.set_setting("smtp.expn", "on", "ana")
    text = "[smtp]\nmax_recipients = 300\n[pop3]\nsecurity = 'both'\n"
    wanted = [
        Difference("smtp.max_recipients", 1000, 300),
        Difference("smtp.expn", True, False),
        Difference("pop3.security", "tls", "both"),
    ]
    assert store.apply_toml(text, "ana", dry_run=True) == wanted
    assert store.current.smtp.expn
    assert store.apply_toml(text, "ana", "new year") == wanted
    assert store.current.pop3.security == "both"
    for wrong in (
        text + "apop = 3",
        text + "appop = true",
        "x = 1",
        "[smtp]\nvrfy = ",
        "[smtp]\nmax_recipients = true",
    ):
        with pytest.raises(EstafetaError) as caught:
            store.apply_toml(wrong, "ana")
        assert caught.value.kind is Kind.INVALID
    assert len(store.history()[0].differences) == 3


def test_settings_cannot_be_changed_in_place(store):
    with pytest.raises(ValidationError):
        store.current.smtp.vrfy = True


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(SETTINGS)), st.text(max_size=30))
def test_any_text_is_a_value_or_a_sentence(key, text):
    info = SETTINGS[key]
    value = info.default
    with contextlib.suppress(EstafetaError):
        value = parse_value(info, text)
    assert check_value(info, value) == value
    assert json.loads(json.dumps(value)) == value
    rendered = render_toml({key: value})
    assert tomllib.loads(rendered).get(info.section, {}).get(info.name, info.default) == value


@given(
    st.sampled_from(sorted(SETTINGS)),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists),
)
def test_any_toml_value_is_a_value_or_a_sentence(key, value):
    info = SETTINGS[key]
    with contextlib.suppress(EstafetaError):
        assert check_value(info, check_value(info, value)) is not None
