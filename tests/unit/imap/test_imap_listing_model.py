"""LIST against a slow and plain reading of RFC 9051 6.3.9 and RFC 5258 3, on any tree of names."""

from hypothesis import given
from hypothesis import strategies as st

from estafeta.core.ids import AccountId, MailboxId
from estafeta.mailboxes.values import MailboxStatus
from estafeta.servers.imap.folders import Folder
from estafeta.servers.imap.listing import Names
from estafeta.servers.imap.patterns import Pattern
from estafeta.servers.imap.rights import ALL_RIGHTS

ANN = AccountId(1)
LEVEL = st.sampled_from("ab")
NAME = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)
PATTERN = st.text("ab/*%", min_size=1, max_size=6)
SELECTION = st.sampled_from(
    [(), ("SUBSCRIBED",), ("SPECIAL-USE",), ("SUBSCRIBED", "SPECIAL-USE"), ("SUBSCRIBED", "RECURSIVEMATCH")]
)


def folder(name: str, special_use: str) -> Folder:
    status = MailboxStatus(ANN, MailboxId(1), name, special_use, 1, 1, 1, 0, 0, 0, 0, "", 0)
    return Folder(name, ANN, status, ALL_RIGHTS)


def is_above(parent: str, name: str) -> bool:
    return name.startswith(f"{parent}/")


@given(
    st.dictionaries(NAME, st.sampled_from(["", "Sent"]), max_size=6),
    st.frozensets(NAME, max_size=4),
    st.lists(PATTERN, min_size=1, max_size=2),
    SELECTION,
)
def test_list_says_what_the_rules_say(
    mailboxes: dict[str, str], subscribed: frozenset[str], patterns: list[str], selection: tuple[str, ...]
) -> None:
    compiled = [Pattern(text) for text in patterns]
    folders = {name: folder(name, use) for name, use in mailboxes.items()}
    found = list(Names(ANN, folders, subscribed).choose(compiled, frozenset(selection)))

    def meets(name: str) -> bool:
        return ("SUBSCRIBED" not in selection or name in subscribed) and (
            "SPECIAL-USE" not in selection or bool(mailboxes.get(name))
        )

    def matches(name: str) -> bool:
        return any(pattern.matches(name) for pattern in compiled)

    everything = set(mailboxes) | subscribed
    everything |= {name[:at] for name in everything for at in range(len(name)) if name[at] == "/"}
    meeting = {name for name in everything if meets(name) and (name in mailboxes or "SUBSCRIBED" in selection)}
    hidden = {name for name in meeting if not matches(name)}
    expected = {name for name in meeting if matches(name)}
    if "RECURSIVEMATCH" in selection:
        expected |= {one for one in everything if matches(one) and any(is_above(one, name) for name in hidden)}
    elif not selection:
        implied = {one for one in everything if any(is_above(one, name) for name in mailboxes)} - set(mailboxes)
        those = [pattern for pattern in compiled if not pattern.text.endswith("*")]
        expected |= {one for one in implied if any(pattern.matches(one) for pattern in those)}
    assert {one.name for one in found} == expected
    assert len(found) == len(expected)
    for one in found:
        assert (one.folder is not None) == (one.name in mailboxes)
        assert one.subscribed == (one.name in subscribed)
        assert one.children == any(is_above(one.name, name) for name in mailboxes)
        below = any(is_above(one.name, name) for name in meeting)
        assert one.child_info == (("SUBSCRIBED",) if below and "RECURSIVEMATCH" in selection else ())
