"""A home whose queue has four messages, made once for the tests of the commands that work on it."""

import time
from contextlib import closing
from pathlib import Path

from estafeta.app.config import load_node
from estafeta.app.home import Home
from estafeta.app.node_file import Choices
from estafeta.app.setup import set_up
from estafeta.app.stores import populate
from estafeta.mail.scan import MessageScanner, MessageSummary
from estafeta.queue.accepting import accept
from estafeta.queue.courier_ops import Beat, Claim, Release, beat, claim, release
from estafeta.queue.settling import settle
from estafeta.queue.values import Acceptance, Delay, Lane, NewEntry, NewRecipient, Place, Settle, Trouble
from estafeta.storage.commit import GroupCommit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

HOUR = 3_600_000
LIFE_MS = 96 * HOUR
CONTENT = b"Return-Path: <anna@example.test>\r\nSubject: Offer\r\n\r\nWords.\r\n"
SKIP = CONTENT.index(b"Subject")
REFUSED = "the host mx.partner.test[198.51.100.7] cannot be reached: refused"
GREYLISTED = "mx.grey.test said: 451 4.7.1 Greylisted"
NOW_MS = int(time.time() * 1000)


def ident(number: int) -> int:
    """The ident of the n-th message; they came n hours ago."""
    return (NOW_MS - number * HOUR) << 20 | number


#: For two at a destination in trouble and one elsewhere; a notice; an urgent one that was put off; one for ourselves.
OFFER, NOTICE, URGENT, LATER = (f"{ident(number):x}" for number in (4, 3, 2, 1))


def _entry(number: int, sender: str, *to: str, lane: Lane = Lane.NORMAL, subject: str = "") -> Acceptance:
    came = NOW_MS - number * HOUR
    recipients = tuple(NewRecipient(f"mx:{a.partition('@')[2]}", a, came, came + LIFE_MS) for a in to)
    values = {"skip": SKIP, "lane": lane, "subject": subject}
    return Acceptance(_summary(), entry=NewEntry(ident(number), sender, 1, recipients, len(CONTENT), came, **values))


def _summary() -> MessageSummary:
    scanner = MessageScanner()
    scanner.feed(CONTENT)
    return scanner.close()


def make_home(root: Path) -> None:
    """The home and what waits in it."""
    users = {"anna@example.test": "a good password"}
    choices = Choices("example.test", "mx.example.test", port_base=20000)
    set_up(Home.at(root), choices, lambda node: populate(node, "example.test", users))
    node = load_node(Home.at(root))
    with closing(Database(node.database_url)) as database, closing(Packs(node.data / "packs")) as packs:
        group = GroupCommit(database, packs)
        taken = (
            _entry(4, "anna@example.test", "maria@partner.test", "jose@partner.test", "x@other.test", subject="Offer"),
            _entry(3, "", "someone@long.example.net"),
            _entry(2, "ben@example.test", "li@grey.test", lane=Lane.HIGH, subject="Now \x1b[31mred"),
            _entry(1, "ben@example.test", "z@other.test"),
        )
        group.run(accept, taken, (CONTENT,) * 4)
        group.run(beat, Beat("c"))
        held = {one.hop: one.destination_id for one in group.run(claim, Claim("c", NOW_MS, 10))}
        for hours in (3, 2):
            failed = Settle(
                held["mx:partner.test"], "c", NOW_MS - hours * HOUR, trouble=Trouble(NOW_MS + 36 * HOUR, REFUSED)
            )
            group.run(settle, failed)
        delay = Delay(Place(ident(2), 0), NOW_MS + 2 * HOUR, GREYLISTED)
        group.run(settle, Settle(held["mx:grey.test"], "c", NOW_MS, later=(delay,)))
        group.run(release, Release("c", tuple(held.values()), NOW_MS))
        group.close()
