"""The quarantine as operators work on it, and what is done about it once a day.

Works on the store, with the server running or stopped; couriers hear of changes over the bus. A portion is a commit of
its own, so an interrupted command has done a part, and can be repeated.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from estafeta.core.errors import EstafetaError, Kind
from estafeta.mail.charsets import decode_text
from estafeta.mail.preview import strip_html
from estafeta.policy.content import Content
from estafeta.policy.parts import Part
from estafeta.queue.quarantine import Decided, Decision, decide
from estafeta.queue.quarantinelook import Choice, HeldMessage, count_held, find_held, find_one
from estafeta.storage.commit import Item
from estafeta.storage.contents import find_location
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

if TYPE_CHECKING:
    from estafeta.app.stores import Site

_PORTION = 100
# Fields of a header that say who, to whom and when; the rest is for `message show --content`.
_SHOWN = ("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id")
_MOST_FIELDS = 20
_MOST_TEXT = 2000
_MOST_PARTS = 100


class Looked(NamedTuple):
    """A held message as it can be looked at without harm: texts, no markup. `fields`: name and value of the header's
    most telling ones; `parts`: path, type, file name and octets of each; `text`: how it begins, as far as anything in
    it is text; `beyond`: limits that left parts unread."""

    message: HeldMessage
    fields: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, str, str, int], ...]
    text: str
    beyond: tuple[str, ...]


class QuarantineDesk:
    """The quarantine of an opened site. `who` decides, for the record. Blocking."""

    def __init__(self, site: "Site", who: str = "") -> None:
        self._site = site
        self._database = site.database
        self._clock = site.node.make_clock()
        self._who = who

    def now_ms(self) -> int:
        """The time of day of this node."""
        return int(self._clock() * 1000)

    def messages(self, choice: Choice, limit: int | None = None) -> Iterator[HeldMessage]:
        """What is held, oldest first."""
        with self._database.read() as conn:
            yield from find_held(conn, choice, limit)

    def count(self, choice: Choice) -> tuple[int, int]:
        """How many messages, and for how many recipients."""
        with self._database.read() as conn:
            return count_held(conn, choice)

    def look(self, entry_id: int) -> Looked:
        """One message. EstafetaError NOT_FOUND."""
        with self._database.read() as conn:
            held = find_one(conn, entry_id)
        location = find_location(self._database, held.content_id) if held is not None else None
        if held is None or location is None:
            raise EstafetaError(Kind.NOT_FOUND, f"No message {entry_id:x} is in quarantine.")
        with closing(Packs(self._site.node.data / "packs")) as packs:
            content = Content.of(packs.read(location)[held.skip :])
        return look_at(held, content)

    def decide(self, decision: Decision, choice: Choice) -> int:
        """Carry a decision out for all that is chosen; for how many recipients."""
        return decide_about(self._database, decision, choice, self._clock, self._who)


def decide_about(
    database: Database,
    decision: Decision,
    choice: Choice,
    clock: Callable[[], float],
    who: str,
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Carry a decision out for all that is chosen, in portions; for how many recipients. `stopping` is asked between
    them."""
    with database.read() as conn:
        messages = [one.places for one in find_held(conn, choice)]
    places = (place for mine in messages for place in mine)
    done = 0
    while (portion := tuple(islice(places, _PORTION))) and not stopping():
        wanted = Decided(decision, portion, int(clock() * 1000), who)
        with database.write() as tx:
            done += decide(tx, [Item(wanted, ())])[0]
    return done


def delete_expired(database: Database, clock: Callable[[], float], stopping: Callable[[], bool]) -> int:
    """Delete what nobody decided about in time; of how many recipients. For a daily job."""
    choice = Choice(expired_ms=int(clock() * 1000))
    return decide_about(database, Decision.EXPIRE, choice, clock, "", stopping)


def look_at(held: HeldMessage, content: Content) -> Looked:
    """What a person may see of it without harm."""
    fields = [(name, value) for name in _SHOWN for value in content.fields.texts(name)[:_MOST_FIELDS]]
    parts = [(one.path, one.media, one.name, len(one.octets)) for one in content.parts[:_MOST_PARTS]]
    texts = (_text_of(one) for one in content.parts if one.media.startswith("text/") and not one.attached)
    text = next((found for found in texts if found.strip()), "")
    return Looked(held, tuple(fields), tuple(parts), text[:_MOST_TEXT], content.parts.beyond)


def _text_of(part: Part) -> str:
    text = decode_text(part.octets[: 4 * _MOST_TEXT], part.charset)
    return strip_html(text) if part.media == "text/html" else text
