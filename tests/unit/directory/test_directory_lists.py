"""Where the addresses of lists lead, who is refused at once, and what a list's options and members may be."""

import pytest

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory.listrows import decode_options, encode_options
from estafeta.directory.listvalues import ListOptions, NewMember, Post
from estafeta.directory.model import ListTarget, LocalTarget, RemoteTarget, Resolution
from estafeta.mail.address import parse_address

NEWS = "news@example.org"


@pytest.fixture
def town(site):
    directory = site.directory
    for name in ("ana", "luis"):
        directory.add_user(f"{name}@example.org")
    directory.add_domain("alias.test", alias_of="example.org")
    directory.add_list(NEWS, {"owners": "ana, boss@elsewhere.test", "max_bytes": "1M"})
    directory.add_list("quiet@example.org")
    directory.add_alias("noticias@example.org", [NEWS, "luis"])
    directory.add_user("quiet-leave@example.org")
    return site


def resolve(site, text: str) -> Resolution:
    resolution: Resolution = site.directory.resolve(parse_address(text))
    return resolution


def told(site, text: str) -> list[str]:
    shown = []
    for target in resolve(site, text).targets:
        match target:
            case ListTarget():
                shown.append(f"{target.role} {target.hop.key} {target.address}")
            case LocalTarget():
                shown.append(f"account {target.account_id}")
            case RemoteTarget():
                shown.append(str(target.address))
    return shown


CASES = [
    ("news@example.org", ["post list:news@example.org news@example.org"]),
    ("NEWS@alias.test", ["post list:news@example.org news@example.org"]),
    ("news+x@example.org", ["post list:news@example.org news@example.org"]),
    ("news-request@example.org", ["request list:news@example.org news-request@example.org"]),
    ("News-Join@alias.test", ["subscribe list:news@example.org News-Join@example.org"]),
    ("news-confirm+j0-a-b@example.org", ["confirm list:news@example.org news-confirm+j0-a-b@example.org"]),
    ("news-bounces+A=x.test@example.org", ["bounces list:news@example.org news-bounces+A=x.test@example.org"]),
    ("news-owner@example.org", ["account 1", "boss@elsewhere.test"]),
    ("quiet-owner@example.org", ["account 1"]),
    ("quiet-leave@example.org", ["account 3"]),
    ("noticias@example.org", ["post list:news@example.org news@example.org", "account 2"]),
    ("news-approved@example.org", []),
    ("news-next+5@example.org", []),
    ("ana-request@example.org", []),
    ("-request@example.org", []),
]


@pytest.mark.parametrize(("address", "expected"), CASES)
def test_where_they_lead(town, address: str, expected: list[str]) -> None:
    assert told(town, address) == expected


def test_where_a_dash_separates_extensions(town) -> None:
    town.set("local.extension_separators", "+-")
    assert told(town, "news-leave@example.org") == ["unsubscribe list:news@example.org news-leave@example.org"]
    assert told(town, "news-owner@example.org") == ["account 1", "boss@elsewhere.test"]
    assert told(town, "news-other@example.org") == ["post list:news@example.org news@example.org"]
    bounces = "news-bounces+a=x.test@example.org"
    assert told(town, bounces) == [f"bounces list:news@example.org {bounces}"]


def test_the_limit_of_a_list_is_known_at_once(town) -> None:
    assert resolve(town, NEWS).max_message_bytes == 1 << 20
    assert resolve(town, "noticias@example.org").max_message_bytes == 1 << 20
    town.directory.change_domain("example.org", max_message_bytes=1000)
    assert resolve(town, NEWS).max_message_bytes == 1000
    assert resolve(town, "news-request@example.org").max_message_bytes == 1000


REFUSED = [
    ("members", "refuse", "eva@x.test", False),
    ("members", "refuse", "no@x.test", True),
    ("members", "refuse", "ana@example.org", False),
    ("members", "moderate", "no@x.test", False),
    ("posters", "refuse", "eva@x.test", True),
    ("anyone", "refuse", "no@x.test", False),
    ("anyone", "refuse", "", True),
]


@pytest.mark.parametrize(("post", "others", "sender", "refused"), REFUSED)
def test_who_is_refused_at_once(town, post: str, others: str, sender: str, refused: bool) -> None:
    town.directory.subscribe(NEWS, [NewMember("Eva@x.test")])
    town.directory.change_list(NEWS, {"post": post, "others": others})
    reason = town.directory.check_post(NEWS, parse_address(sender) if sender else None)
    assert bool(reason) is refused
    [target] = resolve(town, NEWS).targets
    assert isinstance(target, ListTarget)
    assert target.restricted is (others == "refuse" and post != "anyone")


def test_bounce_addresses_are_known(town) -> None:
    assert town.directory.is_list_bounce("news-bounces+a=b.test@example.org")
    assert not town.directory.is_list_bounce(NEWS)
    assert not town.directory.is_list_bounce("no address")


def test_members_have_limits_and_numbers_of_their_own(town) -> None:
    directory = town.directory
    town.set("lists.max_members", "3")
    assert directory.subscribe(NEWS, [NewMember("a@x.test"), NewMember("A@X.test"), NewMember("luis")]) == [
        "a@x.test",
        "luis@example.org",
    ]
    assert directory.subscribe(NEWS, [NewMember("a@x.test"), NewMember("b@x.test")]) == ["b@x.test"]
    for people, kind in (([NewMember("c@x.test")], Kind.LIMIT), ([NewMember(NEWS)], Kind.INVALID)):
        with pytest.raises(EstafetaError) as caught:
            directory.subscribe(NEWS, people)
        assert caught.value.kind is kind
    directory.unsubscribe(NEWS, ["b@x.test"])
    directory.subscribe(NEWS, [NewMember("b@x.test")])
    assert [(one.address, one.number) for one in directory.list_members(NEWS)] == [
        ("a@x.test", 1),
        ("b@x.test", 4),
        ("luis@example.org", 2),
    ]
    assert [one.address for one in directory.list_lists(member="luis")] == [NEWS]


def test_a_domain_with_lists_stays(town) -> None:
    with pytest.raises(EstafetaError) as caught:
        town.directory.remove_domain("example.org")
    assert caught.value.kind is Kind.IN_USE


def test_options_that_another_version_wrote() -> None:
    options = ListOptions(post=Post.ANYONE, name="Año", owners=("a@x.test",))
    assert decode_options(encode_options(options)) == options
    assert encode_options(ListOptions()) == "{}"
    assert decode_options('{"name": "N", "post": "later", "unheard_of": 1, "owners": ["no"]}') == ListOptions(name="N")
