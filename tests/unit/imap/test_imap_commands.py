"""What each command becomes, and what is refused."""

from datetime import date

import pytest
from imap_transcript import Answerer, begin, run

from estafeta.protocols.imap import commands as c
from estafeta.protocols.imap.commands import Command
from estafeta.protocols.imap.fetchitems import BinaryItem, BinarySizeItem, BodyItem, Item, SectionText
from estafeta.protocols.imap.replies import ok
from estafeta.protocols.imap.searchkeys import All
from estafeta.protocols.imap.server import State
from estafeta.protocols.imap.table import COMMANDS, UID_COMMANDS
from estafeta.protocols.imap.values import FlagList, Partial, SequenceSet, StatusItem


def one(*pairs: tuple[int, int]) -> SequenceSet:
    return SequenceSet(pairs)


def body(text: str, label: str, part: tuple[int, ...] = (), *fields: bytes, peek: bool = False) -> BodyItem:
    return BodyItem(part, SectionText(text), fields, peek, None, None, label.encode())


def parsed(command: str, enabled: tuple[str, ...] = (), state: State = State.SELECTED) -> Command | bytes:
    """The command, or what was said instead."""
    machine, answerer = begin(state, enabled), Answerer()
    said = run(machine, answerer, b"a " + command.encode() + b"\r\n")
    return answerer.events[0] if answerer.events else said.removeprefix(b"a ").removesuffix(b"\r\n")


FLAGS = (Item.FLAGS,)
FETCHES: dict[str, tuple[object, ...]] = {
    "FAST": (Item.FLAGS, Item.INTERNALDATE, Item.SIZE),
    "all": (Item.FLAGS, Item.INTERNALDATE, Item.SIZE, Item.ENVELOPE),
    "FULL": (Item.FLAGS, Item.INTERNALDATE, Item.SIZE, Item.ENVELOPE, Item.BODY),
    "(UID RFC822.SIZE Envelope BODYSTRUCTURE UID)": (Item.UID, Item.SIZE, Item.ENVELOPE, Item.BODYSTRUCTURE),
    "(MODSEQ EMAILID THREADID SAVEDATE)": (Item.MODSEQ, Item.EMAILID, Item.THREADID, Item.SAVEDATE),
    "(PREVIEW)": (Item.PREVIEW,),
    "(PREVIEW (LAZY) UID)": (Item.PREVIEW_LAZY, Item.UID),
    "PREVIEW (lazy)": (Item.PREVIEW_LAZY,),
    "RFC822": (body("", "RFC822"),),
    "RFC822.HEADER": (body("HEADER", "RFC822.HEADER", peek=True),),
    "RFC822.TEXT": (body("TEXT", "RFC822.TEXT"),),
    "BODY[]": (body("", "BODY[]"),),
    "body.peek[]": (body("", "BODY[]", peek=True),),
    "BODY[1.2.header]": (body("HEADER", "BODY[1.2.HEADER]", (1, 2)),),
    "BODY[1.MIME]": (body("MIME", "BODY[1.MIME]", (1,)),),
    "BODY[12]<10.20>": (BodyItem((12,), SectionText.WHOLE, (), False, 10, 20, b"BODY[12]<10>"),),
    "BODY[TEXT]<0.4294967296>": (BodyItem((), SectionText.TEXT, (), False, 0, 1 << 32, b"BODY[TEXT]<0>"),),
    'BODY.PEEK[HEADER.FIELDS (From "a b" {2+}\r\nTo)]': (
        body("HEADER.FIELDS", 'BODY[HEADER.FIELDS (From "a b" To)]', (), b"From", b"a b", b"To", peek=True),
    ),
    "BODY[HEADER.FIELDS.NOT (Subject)]": (
        body("HEADER.FIELDS.NOT", "BODY[HEADER.FIELDS.NOT (Subject)]", (), b"Subject"),
    ),
    "BINARY[1]": (BinaryItem((1,), False, None, None, b"BINARY[1]"),),
    "BINARY.PEEK[1.2]<3.4>": (BinaryItem((1, 2), True, 3, 4, b"BINARY[1.2]<3>"),),
    "BINARY.SIZE[]": (BinarySizeItem((), b"BINARY.SIZE[]"),),
    "( FLAGS  UID )": (Item.FLAGS, Item.UID),
}


@pytest.mark.parametrize("text", FETCHES)
def test_what_is_fetched(text: str) -> None:
    assert parsed(f"UID FETCH 7 {text}") == c.Fetch(one((7, 7)), FETCHES[text], True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "NOTHING",
        "(FLAGS",
        "(FLAGS,UID)",
        "FLAGS UID",
        "(ALL)",
        "BODY[",
        "BODY[MIME]",
        "BODY[0]",
        "BODY[1.]",
        "BODY[1.FROB]",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS ()]",
        "BODY[]<1>",
        "BODY[]<1.0>",
        "BODY[]<9223372036854775808.1>",
        "BODY[" + "1." * 150 + "1]",
        "BINARY[TEXT]",
        "BINARY.SIZE[1]<0.5>",
        "ENVELOPE[]",
        "PREVIEW (EAGER)",
        "FLAGS (CHANGEDSINCE)",
        "FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
        "FLAGS (CHANGEDSINCE 9223372036854775808)",
        "FLAGS (FROB)",
        "FLAGS (VANISHED)",
        "FLAGS (PARTIAL 1)",
        "FLAGS (PARTIAL 1:-2)",
        "FLAGS (PARTIAL 0:2)",
    ],
)
def test_what_cannot_be_fetched(text: str) -> None:
    assert str(parsed(f"UID FETCH 7 {text}", ("QRESYNC",))).startswith("b'BAD ")


ALWAYS: list[tuple[str, Command]] = [
    ('ID ("name" "x" "version" NIL)', c.Id((("name", "x"), ("version", None)))),
    ("ID nil", c.Id(())),
    ("ID ()", c.Id(())),
    ("LANGUAGE", c.Language(())),
    ("LANGUAGE es-MX *", c.Language(("es-MX", "*"))),
    ("COMPRESS deflate", c.Compress()),
    ("ENABLE utf8=accept CONDSTORE", c.Enable(("UTF8=ACCEPT", "CONDSTORE"))),
    ("EXAMINE InBoX/a", c.Select("INBOX/a", True)),
    ("EXAMINE inboxes", c.Select("inboxes", True)),
    ("SELECT x (CONDSTORE)", c.Select("x", False, condstore=True)),
    ("CREATE a/b/", c.Create("a/b")),
    (r"CREATE a (USE (\Drafts \Sent))", c.Create("a", ("Drafts", "Sent"))),
    ("CREATE &AOk-t&AOk-", c.Create("été")),
    ("DELETE a", c.Delete("a")),
    ('RENAME "a b" {3+}\r\nc d', c.Rename("a b", "c d")),
    ("SUBSCRIBE a", c.Subscribe("a", True)),
    ("UNSUBSCRIBE a", c.Subscribe("a", False)),
    ('LSUB "" %', c.Lsub("", "%")),
    ("NAMESPACE", c.Namespace()),
    ("STATUS inbox (messages UIDNEXT)", c.Status("INBOX", (StatusItem.MESSAGES, StatusItem.UIDNEXT))),
    (
        "STATUS a (DELETED DELETED-STORAGE SIZE APPENDLIMIT MAILBOXID HIGHESTMODSEQ)",
        c.Status(
            "a",
            (
                StatusItem.DELETED,
                StatusItem.DELETED_STORAGE,
                StatusItem.SIZE,
                StatusItem.APPENDLIMIT,
                StatusItem.MAILBOXID,
                StatusItem.HIGHESTMODSEQ,
            ),
        ),
    ),
    ("COMPARATOR i;octet", c.Comparator(("i;octet",))),
    ("CHECK", c.Noop()),
    ("UNSELECT", c.Close(expunge=False)),
    ("EXPUNGE", c.Expunge()),
    ("UID EXPUNGE 3:5,9", c.Expunge(one((3, 5), (9, 9)))),
    ("UID EXPUNGE $", c.Expunge(None, saved=True)),
    ("COPY 1:* x", c.Copy(one((1, 0)), "x", False, False)),
    ("UID MOVE $ x", c.Copy(None, "x", True, True)),
    ("FETCH 1 FLAGS (CHANGEDSINCE 12)", c.Fetch(one((1, 1)), FLAGS, False, 12)),
    ("UID FETCH 1:* FLAGS (PARTIAL -1:-30)", c.Fetch(one((1, 0)), FLAGS, True, partial=Partial(-1, -30))),
    ("UID FETCH $ FLAGS (PARTIAL 30:1)", c.Fetch(None, FLAGS, True, partial=Partial(1, 30))),
    (r"STORE 1 FLAGS (\Seen)", c.Store(one((1, 1)), "replace", False, FlagList(1, ()), False)),
    (r"STORE 1 FLAGS ()", c.Store(one((1, 1)), "replace", False, FlagList(0, ()), False)),
    (
        r"UID STORE 1:2 (UNCHANGEDSINCE 5) -flags.silent \deleted Work work $x",
        c.Store(one((1, 2)), "remove", True, FlagList(8, ("Work", "$x")), True, 5),
    ),
    ('GETQUOTA ""', c.GetQuota("")),
    ("GETQUOTAROOT inbox", c.GetQuotaRoot("INBOX")),
    ('SETQUOTA "" (STORAGE 512 message 9)', c.SetQuota("", (("STORAGE", 512), ("MESSAGE", 9)))),
    ('SETQUOTA "" ()', c.SetQuota("", ())),
    ("GETACL x", c.GetAcl("x")),
    ("SETACL x jane +rwi", c.SetAcl("x", "jane", "+", "rwi")),
    ("SETACL x -jane lrs", c.SetAcl("x", "-jane", "", "lrs")),
    ('SETACL x jane ""', c.SetAcl("x", "jane", "", "")),
    ("DELETEACL x jane", c.DeleteAcl("x", "jane")),
    ("LISTRIGHTS x jane", c.ListRights("x", "jane")),
    ("MYRIGHTS x", c.MyRights("x")),
    ('GETMETADATA "" /shared/Comment', c.GetMetadata("", ("/shared/comment",), c.MetadataOptions())),
    (
        "GETMETADATA (MAXSIZE 10 DEPTH infinity) x (/private/a /private/b)",
        c.GetMetadata("x", ("/private/a", "/private/b"), c.MetadataOptions(10, -1)),
    ),
    ("GETMETADATA x (DEPTH 1) (/private/a)", c.GetMetadata("x", ("/private/a",), c.MetadataOptions(None, 1))),
    (
        'SETMETADATA x (/private/a "v" /private/b NIL /private/c ~{2+}\r\n\0\0)',
        c.SetMetadata("x", (("/private/a", b"v"), ("/private/b", None), ("/private/c", b"\0\0"))),
    ),
    ("NOTIFY NONE", c.Notify(())),
    (
        "NOTIFY SET STATUS (selected (MessageNew (UID) MessageExpunge)) (subtree Lists NONE)",
        c.Notify(
            (
                c.NotifyGroup("SELECTED", (), frozenset({"MESSAGENEW", "MESSAGEEXPUNGE"}), (Item.UID,)),
                c.NotifyGroup("SUBTREE", ("Lists",), frozenset()),
            ),
            True,
        ),
    ),
    (
        "NOTIFY SET (mailboxes (a b) (MessageNew MessageExpunge FlagChange)) (personal (MailboxName))",
        c.Notify(
            (
                c.NotifyGroup("MAILBOXES", ("a", "b"), frozenset({"MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"})),
                c.NotifyGroup("PERSONAL", (), frozenset({"MAILBOXNAME"})),
            )
        ),
    ),
    (
        'GENURLAUTH "imap://x/;urlauth=anonymous" internal',
        c.GenUrlAuth((("imap://x/;urlauth=anonymous", "INTERNAL"),)),
    ),
    ("RESETKEY", c.ResetKey("", ())),
    ("RESETKEY x internal", c.ResetKey("x", ("INTERNAL",))),
    ('URLFETCH "a" b', c.UrlFetch(("a", "b"))),
    ('CANCELUPDATE "A1" "A2"', c.CancelUpdate((b"A1", b"A2"))),
    ("SEARCH ALL", c.Search(All(), False)),
    ("UID SEARCH RETURN () ALL", c.Search(All(), True, c.SearchReturn(frozenset({"ALL"})))),
    (
        "SEARCH RETURN (min COUNT SAVE PARTIAL 1:500) ALL",
        c.Search(All(), False, c.SearchReturn(frozenset({"MIN", "COUNT", "SAVE"}), Partial(1, 500))),
    ),
    (
        "ESEARCH ALL",
        c.Search(All(), True, c.SearchReturn(frozenset({"ALL"})), (c.SearchScope("SELECTED"),)),
    ),
    (
        "ESEARCH IN (mailboxes (a b) subtree-one c personal) RETURN (COUNT) ALL",
        c.Search(
            All(),
            True,
            c.SearchReturn(frozenset({"COUNT"})),
            (
                c.SearchScope("MAILBOXES", ("a", "b")),
                c.SearchScope("SUBTREE-ONE", ("c",)),
                c.SearchScope("PERSONAL"),
            ),
        ),
    ),
    (
        "SORT (REVERSE date SUBJECT) UTF-8 ALL",
        c.Sort((c.SortKey("DATE", True), c.SortKey("SUBJECT", False)), All(), False),
    ),
    (
        "UID SORT RETURN (COUNT) (DISPLAYFROM) US-ASCII ALL",
        c.Sort((c.SortKey("DISPLAYFROM", False),), All(), True, c.SearchReturn(frozenset({"COUNT"}))),
    ),
    ("THREAD references UTF-8 ALL", c.Thread("REFERENCES", All(), False)),
    ("UID THREAD ORDEREDSUBJECT UTF-8 ALL", c.Thread("ORDEREDSUBJECT", All(), True)),
]


@pytest.mark.parametrize(("text", "command"), ALWAYS, ids=[text for text, _ in ALWAYS])
def test_a_command(text: str, command: Command) -> None:
    assert parsed(text) == command


LISTS: list[tuple[str, c.List]] = [
    ('"" *', c.List("", ("*",))),
    ('"" "inbox"', c.List("", ("INBOX",))),
    ("#shared/ &AOk-%", c.List("#shared/", ("é%",))),
    ('"" &*', c.List("", ("&*",))),
    ('() "" *', c.List("", ("*",), extended=True)),
    ('"" (a b*)', c.List("", ("a", "b*"), extended=True)),
    (
        '(SUBSCRIBED recursivematch) "" * RETURN (CHILDREN special-use)',
        c.List(
            "",
            ("*",),
            frozenset({"SUBSCRIBED", "RECURSIVEMATCH"}),
            frozenset({"CHILDREN", "SPECIAL-USE"}),
            extended=True,
        ),
    ),
    (
        '"" % RETURN (MYRIGHTS STATUS (MESSAGES UNSEEN))',
        c.List(
            "",
            ("%",),
            returning=frozenset({"MYRIGHTS"}),
            status=(StatusItem.MESSAGES, StatusItem.UNSEEN),
            extended=True,
        ),
    ),
    (
        '"" % RETURN (METADATA (/shared/a /shared/b) SUBSCRIBED)',
        c.List(
            "",
            ("%",),
            returning=frozenset({"SUBSCRIBED"}),
            metadata=("/shared/a", "/shared/b"),
            extended=True,
        ),
    ),
    (
        '"" % RETURN (METADATA (MAXSIZE 9) /shared/a)',
        c.List("", ("%",), metadata=("/shared/a",), metadata_options=c.MetadataOptions(9), extended=True),
    ),
    ('"" % RETURN ()', c.List("", ("%",), extended=True)),
]


@pytest.mark.parametrize(("text", "command"), LISTS, ids=[text for text, _ in LISTS])
def test_list(text: str, command: c.List) -> None:
    assert parsed("LIST " + text) == command


def test_qresync() -> None:
    select = "SELECT x (QRESYNC (67 20050715194045000 41,43:211 (1:3 5:7)))"
    assert str(parsed(select)) == "b'BAD Enable QRESYNC first.'"
    wanted = c.QResync(67, 20050715194045000, one((41, 41), (43, 211)))
    assert parsed(select, ("QRESYNC",)) == c.Select("x", False, False, wanted)
    assert parsed("SELECT x (QRESYNC (67 5))", ("QRESYNC",)) == c.Select("x", False, False, c.QResync(67, 5, None))
    assert parsed("SELECT x (CONDSTORE QRESYNC (67 5 (1 2)))", ("QRESYNC",)) == c.Select(
        "x", False, True, c.QResync(67, 5, None)
    )
    assert b"UIDREQUIRED" in bytes(parsed(select, ("QRESYNC", "UIDONLY")))  # type: ignore[arg-type]
    for wrong in ("(67)", "(0 5)", "(67 5 1:*)", "(67 5 $)", "(67 5 (1))", "67 5"):
        assert str(parsed(f"SELECT x (QRESYNC {wrong})", ("QRESYNC",))).startswith("b'BAD "), wrong
    assert parsed("UID FETCH 1 FLAGS (VANISHED CHANGEDSINCE 3)", ("QRESYNC",)) == c.Fetch(
        one((1, 1)), FLAGS, True, 3, True
    )
    assert str(parsed("UID FETCH 1 FLAGS (VANISHED CHANGEDSINCE 3)")) == "b'BAD Enable QRESYNC first.'"


WRONG = [
    *(name.decode() + " \\" for name in COMMANDS if name not in (b"LOGIN", b"AUTHENTICATE", b"STARTTLS")),
    *("UID " + name.decode() + " \\" for name in UID_COMMANDS),
    "LIST",
    'LIST "" ',
    'LIST (RECURSIVEMATCH) "" *',
    'LIST (RECURSIVEMATCH REMOTE) "" *',
    'LIST (FROB) "" *',
    'LIST "" * RETURN (FROB)',
    'LIST "" * RETURN',
    'LIST "" ()',
    "STATUS x ()",
    "STATUS x (FROB)",
    "STATUS x MESSAGES",
    "STORE 1 FLAGS",
    "STORE 1 FROB ()",
    r"STORE 1 FLAGS (\Recent)",
    r"STORE 1 FLAGS (\Frob)",
    r"STORE 1 FLAGS (\*)",
    "STORE 0 FLAGS ()",
    "STORE 4294967296 FLAGS ()",
    "STORE 1,, FLAGS ()",
    "STORE 1: FLAGS ()",
    "STORE : FLAGS ()",
    "STORE 1:2:3 FLAGS ()",
    "STORE ** FLAGS ()",
    "STORE " + "9" * 5000 + " FLAGS ()",
    "STORE 1 (UNCHANGEDSINCE 1 FROB) FLAGS ()",
    "SETACL x jane",
    "GETMETADATA (FROB 1) x /private/a",
    "GETMETADATA (DEPTH 2) x /private/a",
    "GETMETADATA x ()",
    "SETMETADATA x ()",
    "SETMETADATA x (/private/a atom)",
    'ID ("' + "n" * 31 + '" NIL)',
    'ID ("n" "' + "v" * 1025 + '")',
    "ID (" + '"n" NIL ' * 31 + ")",
    "ID (atom NIL)",
    "NOTIFY SET",
    "NOTIFY FROB",
    "NOTIFY SET (selected (MessageNew))",
    "NOTIFY SET (selected (FlagChange))",
    "NOTIFY SET (selected (MailboxName))",
    "NOTIFY SET (personal (MessageNew (UID) MessageExpunge))",
    "NOTIFY SET (selected NONE) (selected-delayed NONE)",
    "NOTIFY SET (frob NONE)",
    "NOTIFY SET (selected FROB)",
    "SEARCH RETURN (FROB) ALL",
    "SEARCH RETURN (ALL PARTIAL 1:2) ALL",
    "SEARCH RETURN (ALL)",
    "ESEARCH IN () ALL",
    "ESEARCH IN (frob) ALL",
    "ESEARCH IN (personal (x)) ALL",
    "SORT () UTF-8 ALL",
    "SORT (FROB) UTF-8 ALL",
    "SORT (REVERSE) UTF-8 ALL",
    "SORT (DATE) ALL",
    "THREAD FROB UTF-8 ALL",
    "UID EXPUNGE",
    "GENURLAUTH x",
    "CANCELUPDATE A1",
]


@pytest.mark.parametrize("text", WRONG)
def test_wrong(text: str) -> None:
    said = parsed(text)
    assert isinstance(said, bytes), said
    assert said.startswith((b"BAD ", b"NO [BADCHARSET")), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("COMPRESS LZ4", b"NO Only DEFLATE is offered."),
        ("SELECT &x", b"NO [CANNOT] The mailbox name is not valid modified UTF-7."),
        ("SELECT &AGE-", b"NO [CANNOT] The mailbox name is not valid modified UTF-7."),
        ('SELECT "a\tb"', b"NO [CANNOT] The mailbox name holds control characters."),
        ("STORE " + "1,2:3," * 5001 + "9 FLAGS ()", b"NO [LIMIT] The set has too many ranges."),
        (
            "NOTIFY SET (personal (Frob))",
            b"NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "
            b"MailboxMetadataChange ServerMetadataChange)] An event is not known.",
        ),
    ],
)
def test_refused(text: str, said: bytes) -> None:
    assert parsed(text) == said


@pytest.mark.parametrize(
    ("text", "enabled", "name"),
    [
        ("SELECT &AOk-", (), "é"),
        ('SELECT "é"', (), "é"),
        ("SELECT &AOk-", ("UTF8=ACCEPT",), "&AOk-"),
        ('SELECT "é&"', ("IMAP4REV2",), "é&"),
        ("SELECT inbox/a/inbox", (), "INBOX/a/inbox"),
        (r'SELECT "a\\b\"c"', (), 'a\\b"c'),
        ("SELECT a]b", (), "a]b"),
    ],
)
def test_mailbox_names(text: str, enabled: tuple[str, ...], name: str) -> None:
    assert parsed(text, enabled) == c.Select(name, False)


def test_names_that_are_no_utf8() -> None:
    machine, answerer = begin(enabled=["UTF8=ACCEPT"]), Answerer()
    said = run(machine, answerer, b'a SELECT "\xff"\r\nb GETQUOTA "\xff"\r\n')
    assert said == (b"a NO [CANNOT] The mailbox name is not valid UTF-8.\r\nb BAD The text is not valid UTF-8.\r\n")


def test_sets_of_ten_thousand() -> None:
    numbers = range(100_001, 120_001, 2)
    event = parsed("UID FETCH " + ",".join(map(str, numbers)) + " FLAGS")
    assert isinstance(event, c.Fetch)
    assert event.numbers == SequenceSet(tuple((number, number) for number in numbers))


def test_every_command_has_a_usage_that_begins_with_its_name() -> None:
    for name, rule in COMMANDS.items():
        assert rule.usage.split(" ")[0] == name.decode()
    for name, rule in UID_COMMANDS.items():
        assert rule.usage.split(" ")[:2] == ["UID", name.decode()]


def test_dates_of_search_are_days() -> None:
    event = parsed('SEARCH SINCE "1-Feb-2026"')
    assert isinstance(event, c.Search)
    assert event.key.day == date(2026, 2, 1)  # type: ignore[union-attr]
    assert ok("Done.").text == "Done."
