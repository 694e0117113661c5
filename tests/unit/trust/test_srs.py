"""SRS: reverse-paths rewritten for mail that is sent on, and the way back."""

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.address import MAX_LOCAL_OCTETS, Address
from estafeta.trust.srs import MAX_AGE_DAYS, Reversed, forward, is_srs, reverse

OURS, NEXT, LAST = "ours.example", "next.example", "last.example"
SECRETS, OTHER = [b"a secret"], [b"another"]
DAY = 86_400
NOW = 1_600_000_000.0
ANA = Address("ana", "example.com")
NOT_MADE_HERE = Reversed(None, "it was not made here")
NO_FORM = Reversed(None, "it is no SRS address")


def forwarded(address: Address = ANA, domain: str = OURS, secrets: list[bytes] = SECRETS, now: float = NOW) -> Address:
    found = forward(address, domain, secrets, now)
    assert found is not None
    return found


def test_the_form() -> None:
    """That of libsrs2: an HMAC-SHA1 of day, domain and local part in lower case."""
    octets = hmac.digest(SECRETS[0], b"cwexample.comana", "sha1")
    assert base64.b64encode(octets).startswith(b"iTpt")
    assert forwarded() == Address("SRS0=iTpt=CW=example.com=ana", OURS)


def test_there_and_back() -> None:
    assert reverse(forwarded().local, SECRETS, NOW) == Reversed(ANA)


def test_a_chain_of_forwarders_is_two_steps_back() -> None:
    first = forwarded()
    second = forwarded(first, NEXT, OTHER)
    assert second.local.startswith("SRS1=")
    assert "=ours.example==" in second.local
    third = forwarded(second, LAST, [b"third"])
    # The address grows once: the third leads to the first, as the second did.
    assert len(third.local) == len(second.local)
    for made, secrets in ((second, OTHER), (third, [b"third"])):
        assert reverse(made.local, secrets, NOW) == Reversed(first)
    assert reverse(first.local, SECRETS, NOW) == Reversed(ANA)


@pytest.mark.parametrize("mark", ["=", "-", "+"])
def test_the_marks_of_others_come_back_as_they_were(mark: str) -> None:
    theirs = Address(f"SRS0{mark}Ab9x=2W=example.com=ana", NEXT)
    assert reverse(forwarded(theirs).local, SECRETS, NOW) == Reversed(theirs)


@pytest.mark.parametrize(
    "local",
    ["SRS0", "SRS0=", "SRS0=x", "SRS1=a=b", "SRS2=a=b=c=d", "srs0+nothing", "SRS1=Ab9x==x", "SRS1=Ab9x=not a host==x"],
)
def test_what_only_looks_like_srs_is_an_address_like_others(local: str) -> None:
    address = Address(local, "example.com")
    assert str(reverse(forwarded(address).local, SECRETS, NOW).address).lower() == str(address).lower()


@given(at=st.integers(0, 200), character=st.sampled_from("aZ0=.-@\x00\xfc"))
@pytest.mark.parametrize("chained", [False, True])
def test_what_was_changed_was_not_made_here(chained: bool, at: int, character: str) -> None:
    local = forwarded(forwarded(domain=NEXT, secrets=OTHER) if chained else ANA).local
    at %= len(local)
    changed = local[:at] + character + local[at + 1 :]
    if changed.lower().replace("-", "=", 1 if at == 4 else 0) != local.lower():  # SRS0- is as good as SRS0=
        assert reverse(changed, SECRETS, NOW).address is None


@given(st.text(max_size=40) | st.from_regex(r"(?i)SRS[01][-+=].{0,30}", fullmatch=True))
def test_anything_else_was_not_made_here(local: str) -> None:
    assert reverse(local, SECRETS, NOW) in (NOT_MADE_HERE, NO_FORM)


def test_the_time_that_an_address_is_good() -> None:
    local = forwarded().local
    late = Reversed(None, f"it is older than {MAX_AGE_DAYS} days")
    assert reverse(local, SECRETS, NOW + MAX_AGE_DAYS * DAY) == Reversed(ANA)
    assert reverse(local, SECRETS, NOW + (MAX_AGE_DAYS + 1) * DAY) == late
    assert reverse(local, SECRETS, NOW - DAY) == Reversed(ANA)  # made by a node whose clock is ahead
    assert reverse(local, SECRETS, NOW - 2 * DAY) == late
    assert reverse(local, SECRETS, NOW + 400 * DAY) == late


def test_days_are_counted_round_the_turn() -> None:
    # 1,024 days make a turn; the day before one and the day after it are two apart.
    turn = 1024 * DAY * 19
    local = forwarded(now=turn - 1).local
    assert "=77=" in local
    assert reverse(local, SECRETS, turn + DAY) == Reversed(ANA)


@pytest.mark.parametrize("fold", [str.lower, str.upper, str.swapcase])
def test_case_may_be_folded_on_the_way(fold: "type[str.lower]") -> None:
    first = forwarded()
    assert str(reverse(fold(first.local), SECRETS, NOW).address).lower() == "ana@example.com"
    second = forwarded(first, NEXT, OTHER)
    assert str(reverse(fold(second.local), OTHER, NOW).address).lower() == str(first).lower()


def test_older_secrets_are_good_and_the_first_makes() -> None:
    old = forwarded(secrets=OTHER)
    assert reverse(old.local, [*SECRETS, *OTHER], NOW) == Reversed(ANA)
    assert reverse(old.local, SECRETS, NOW) == NOT_MADE_HERE
    assert forwarded(secrets=[*SECRETS, *OTHER]) == forwarded()
    with pytest.raises(ValueError, match="needs a secret"):
        forward(ANA, OURS, [], NOW)
    assert reverse(old.local, [], NOW) == NOT_MADE_HERE


@pytest.mark.parametrize("characters", [1, 3, 27, 28])
def test_hashes_of_another_length(characters: int) -> None:
    """Longer ones are those of a site that set more; shorter ones can be guessed."""
    _, _, rest = forwarded().local.split("=", 2)
    long = forwarded().local.split("=")[1] + "x" * 24
    assert reverse(f"SRS0={long[:characters]}={rest}", SECRETS, NOW) == NOT_MADE_HERE


def test_long_local_parts() -> None:
    room = MAX_LOCAL_OCTETS - len("SRS0=xCoS=6D=example.com=")
    longest = Address("a" * room, "example.com")
    assert reverse(forwarded(longest).local, SECRETS, NOW) == Reversed(longest)
    assert forward(Address("a" * (room + 1), "example.com"), OURS, SECRETS, NOW) is None
    assert forward(ANA, "x" * 250, SECRETS, NOW) is None


@pytest.mark.parametrize("local", ["a=b", "a b", 'a"b', "jürgen", "a+b", "=", "@"])
def test_local_parts_of_all_kinds(local: str) -> None:
    address = Address(local, "example.com")
    assert reverse(forwarded(address).local, SECRETS, NOW) == Reversed(address)


@pytest.mark.parametrize(("domain", "back"), [("[192.0.2.1]", "[192.0.2.1]"), ("MÜNCHEN.test", "xn--mnchen-3ya.test")])
def test_domains_of_all_kinds(domain: str, back: str) -> None:
    assert reverse(forwarded(Address("a", domain)).local, SECRETS, NOW) == Reversed(Address("a", back))


@pytest.mark.parametrize("domain", ["", "a=b", "a b.test", "-"])
def test_a_domain_that_is_none_is_left_alone(domain: str) -> None:
    assert forward(Address("a", domain), OURS, SECRETS, NOW) is None


@pytest.mark.parametrize(("local", "known"), [("SRS0=a", True), ("srs1+a", True), ("SRS0", False), ("XSRS0=a", False)])
def test_what_has_the_form(local: str, known: bool) -> None:
    assert is_srs(local) == known
