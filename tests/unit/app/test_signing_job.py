"""The job that tends DKIM keys, on a real store with the lab's name server; and keys of a domain that is added."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.lab.threaded import LabThread
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.signing import key_job, make_first_keys
from estafeta.app.stores import Site, open_site, populate
from estafeta.directory.keystates import KeyState
from estafeta.directory.signingkeys import SigningKeys


@pytest.fixture
def lab() -> Iterator[LabThread]:
    with LabThread() as lab:
        yield lab


@pytest.fixture
def site(tmp_path: Path, lab: LabThread) -> Iterator[Site]:
    home = Home.at(tmp_path / "mail")
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(home, choices, lambda node: populate(node, "example.test", {}))
    with open_site(load_node(home)) as site:
        for key, value in lab.settings().items():
            site.settings.set_values({key: value}, "test")
        site.settings.reload()
        yield site


def test_the_job_makes_keys_and_uses_them_when_they_are_published(site: Site, lab: LabThread) -> None:
    keys = SigningKeys(site.database, bytes(32), lab.clock)
    job = key_job(keys, site.settings, lab.clock, lambda: False)
    job.run()
    made = keys.list_keys()
    assert {(key.domain, key.state) for key in made} == {("example.test", KeyState.PREPARED)}
    for key in made:
        lab.names.add(key.dns_record.name, txt=[key.record])
    job.run()
    assert len(keys.open_active("example.test")) == 2
    lab.clock.jump("160d")
    job.run()
    assert len([key for key in keys.list_keys() if key.state is KeyState.PREPARED]) == 2


def test_a_job_that_is_told_to_end(site: Site, lab: LabThread) -> None:
    keys = SigningKeys(site.database, bytes(32), lab.clock)
    key_job(keys, site.settings, lab.clock, lambda: True).run()
    assert keys.list_keys() == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [("dkim.make_keys", "off"), ("routing.outward", "off"), ("dkim.unsigned_domains", "example.test")],
)
def test_where_no_keys_are_wanted(site: Site, lab: LabThread, setting: str, value: str) -> None:
    site.settings.set_setting(setting, value, "test", "")
    site.settings.reload()
    assert make_first_keys(site, "example.test") == []
    keys = SigningKeys(site.database, bytes(32), lab.clock)
    key_job(keys, site.settings, lab.clock, lambda: False).run()
    assert keys.list_keys() == []


def test_keys_of_a_domain_are_made_once(site: Site) -> None:
    first = make_first_keys(site, "Example.test")
    assert [key.algorithm for key in first] == ["rsa-sha256", "ed25519-sha256"]
    assert {key.selector for key in make_first_keys(site, "example.test")} == {key.selector for key in first}
