"""Return paths of ours (SRS) at RCPT: back to whom they were made of, or refused in words."""

from typing import Any

import pytest

from estafeta.directory import sitesecrets
from estafeta.directory.model import RemoteTarget, Status
from estafeta.directory.sitesecrets import SRS, find_secret, get_secret
from estafeta.mail.address import Address, parse_address
from estafeta.policy.recipient import check_address
from estafeta.trust.srs import forward

NOW = 1_700_000_000.0


def path_of(site: Any, sender: str, domain: str = "example.org", now: float = NOW) -> Address:
    made = forward(parse_address(sender), domain, [get_secret(site.database, SRS)], now)
    assert made is not None
    return made


def test_a_path_leads_back(site: Any) -> None:
    for sender in ("zoe@far.example", '"a b"@far.example', "SRS0=aaaa=BB=x.example=y@far.example", "ü@far.example"):
        found = site.directory.resolve(path_of(site, sender))
        assert found.status is Status.REMOTE
        [target] = found.targets
        assert isinstance(target, RemoteTarget)
        assert target.address == parse_address(sender)
        assert check_address(found).accepted
    assert site.directory.cached(path_of(site, "zoe@far.example")) is None


def test_one_that_leads_to_ourselves_by_now(site: Any) -> None:
    path = path_of(site, "ana@new.example")
    nested = path_of(site, str(path_of(site, "ana@new.example", domain="new.example")))
    site.directory.add_domain("new.example")
    site.directory.add_user("ana@new.example", password="long enough a word")
    for one in (path, nested):
        assert site.directory.resolve(one).status is Status.LOCAL
    assert site.directory.resolve(path_of(site, "bo@new.example")).status is Status.UNKNOWN


def test_what_was_changed_or_is_too_old_is_refused_in_words(site: Any) -> None:
    good = path_of(site, "zoe@far.example")
    site.directory.add_alias("box@example.org", ["ana@far.example"])
    site.directory.set_catch_all("example.org", "box@example.org")
    cases = (
        (Address(good.local.replace("zoe", "eve"), "example.org"), "it was not made here"),
        (Address("SRS0=x", "example.org"), "it is no SRS address"),
        (path_of(site, "zoe@far.example", now=NOW - 22 * 86_400), "it is older than 21 days"),
    )
    for path, words in cases:
        found = site.directory.resolve(path)
        assert (found.status, found.targets) == (Status.STALE, ())
        verdict = check_address(found)
        assert (verdict.code, verdict.text) == (550, f"This return path leads nowhere: {words}")
    assert site.directory.resolve(Address(good.local, "elsewhere.example")).status is Status.NOT_OURS


def test_without_a_secret_nothing_was_made_here(site: Any) -> None:
    assert site.directory.resolve(Address("SRS0=aaaa=BB=x.example=y", "example.org")).status is Status.STALE
    with site.database.read() as conn:
        assert find_secret(conn, SRS) is None


def test_two_that_make_a_secret_at_once_have_the_same(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_secret(site.database, SRS)
    late = iter([None, first])
    monkeypatch.setattr(sitesecrets, "find_secret", lambda conn, name: next(late))
    assert get_secret(site.database, SRS) == first
    with pytest.raises(StopIteration):
        next(late)
