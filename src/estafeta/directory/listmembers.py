"""Members of distribution lists: put in, taken out, paused, listed, imported; and how often their mail comes back.

Members may be people here or elsewhere, groups, aliases and other lists. Nothing of this changes where an address
leads, so the directory's version stays and nobody forgets what is remembered.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from estafeta.core.errors import EstafetaError, Kind
from estafeta.directory import listrows
from estafeta.directory.changes import Part, View
from estafeta.directory.lists import list_named
from estafeta.directory.listvalues import How, MailingList, Member, MemberState, NewMember
from estafeta.directory.model import LineProblem
from estafeta.mail.address import Address
from estafeta.mail.addresslist import Mailbox, parse_address_list

_LONGEST_NAME = 256
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class MembersReport:
    """What an import did: who is new, how many were members already, how many were taken out, lines that are no
    addresses."""

    added: tuple[str, ...]
    known: int
    removed: int
    problems: tuple[LineProblem, ...]


@dataclass(frozen=True, slots=True)
class Bounced:
    """A member whose mail came back: on how many days now; `removed`: too many, and the member is out."""

    member: Member
    days: int
    removed: bool


class ListMemberMethods(Part):
    """What can be done with members."""

    def subscribe(self, address: str, people: Sequence[NewMember], how: How = How.OPERATOR) -> list[str]:
        """Put people into a list; the addresses of those who were not in it. EstafetaError LIMIT."""
        with self._changing_members() as view:
            found = list_named(view, address)
            return self._put_in(view, found, people, how)

    def unsubscribe(self, address: str, members: Sequence[str]) -> int:
        """Take members out; how many were in. EstafetaError NOT_FOUND if none was."""
        with self._changing_members() as view:
            found = list_named(view, address)
            keys = [member.key for member in view.addresses(members)]
            gone = listrows.delete_members(view.conn, found.list_id, keys)
            if members and not gone:
                raise EstafetaError(Kind.NOT_FOUND, f"None of these is a member of {found.address}.")
            return gone

    def pause_members(self, address: str, members: Sequence[str], *, paused: bool = True) -> int:
        """Send members nothing for now, or send to them again; how many there are."""
        with self._changing_members() as view:
            found = list_named(view, address)
            keys = [member.key for member in view.addresses(members)]
            state = MemberState.PAUSED if paused else MemberState.ACTIVE
            changed = listrows.write_state(view.conn, found.list_id, keys, state)
            if not changed:
                raise EstafetaError(Kind.NOT_FOUND, f"None of these is a member of {found.address}.")
            return changed

    def list_members(self, address: str) -> list[Member]:
        """All members by address."""
        with self._reading() as view:
            return listrows.read_members(view.conn, list_named(view, address).list_id)

    def find_member(self, list_id: int, address: Address | None = None, *, number: int = 0) -> Member | None:
        """The member with this address or, without one, this number."""
        with self._database.read() as conn:
            return listrows.find_member(conn, list_id, address.key if address is not None else "", number)

    def page_members(self, list_id: int, after: int, limit: int) -> list[tuple[int, str]]:
        """The next active members after number `after`, with their numbers."""
        with self._database.read() as conn:
            return listrows.read_page(conn, list_id, after, limit)

    def import_members(self, address: str, text: str, *, replace: bool = False, dry_run: bool = False) -> MembersReport:
        """Put in everybody whom `text` names: an address in each line, with or without a name, as in From fields; `#`
        begins a comment. `replace`: who is not named is taken out; nothing changes while a line is wrong."""
        with self._changing_members(dry_run) as view:
            found = list_named(view, address)
            people, problems = _parse_members(view, text)
            if problems and replace:
                return MembersReport((), 0, 0, tuple(problems))
            wanted: dict[str, NewMember] = {}
            for one in people:
                wanted.setdefault(view.address(one.address).key, one)
            have = {view.address(one.address).key for one in listrows.read_members(view.conn, found.list_id)}
            gone = sorted(have - set(wanted)) if replace else []
            known = len(have & set(wanted))
            if dry_run:
                new = [one.address for key, one in wanted.items() if key not in have]
                return MembersReport(tuple(new), known, len(gone), tuple(problems))
            removed = listrows.delete_members(view.conn, found.list_id, gone)
            added = self._put_in(view, found, list(wanted.values()), How.OPERATOR)
            return MembersReport(tuple(added), known, removed, tuple(problems))

    def export_members(self, address: str) -> str:
        """What `import_members` reads."""
        return "".join(f"{_spelled(member)}\n" for member in self.list_members(address))

    def note_bounce(self, list_id: int, member: Member, *, now_seconds: int) -> Bounced | None:
        """Count a bounce, one for each day; after too many days the member is taken out. None: counted today already,
        or no member any more."""
        rules, today = self._settings.current.lists, now_seconds // _DAY_SECONDS
        with self._changing_members() as view:
            now = listrows.find_member(view.conn, list_id, number=member.number)
            if now is None or now.bounce_day == today:
                return None
            days = now.bounces + 1 if today - now.bounce_day <= rules.bounce_memory_days else 1
            found = listrows.find_list_by_id(view.conn, list_id)
            remove = days >= rules.max_bounce_days and found is not None and found.options.bounces
            if remove:
                listrows.delete_members(view.conn, list_id, [view.address(now.address).key])
            else:
                listrows.write_bounces(view.conn, list_id, now.number, days, today)
            return Bounced(now, days, remove)

    def _put_in(self, view: View, found: MailingList, people: Sequence[NewMember], how: How) -> list[str]:
        wanted = [(view.address(one.address), _name(one.display_name)) for one in people]
        if any(address.key == found.key for address, _ in wanted):
            raise EstafetaError(Kind.INVALID, f"{found.address} cannot be a member of itself.")
        most = self._settings.current.lists.max_members
        if found.members + len(wanted) > most:
            known = listrows.find_numbers(view.conn, found.list_id, (address.key for address, _ in wanted))
            now = listrows.count_members(view.conn, found.list_id)
            if now + len({address.key for address, _ in wanted} - set(known)) > most:
                raise EstafetaError(Kind.LIMIT, f"{found.address} would have more than {most} members.")
        return [str(one) for one in listrows.insert_members(view.conn, found.list_id, wanted, how, self._now())]

    @contextmanager
    def _changing_members(self, dry_run: bool = False) -> Iterator[View]:
        if dry_run:
            with self._reading() as view:
                yield view
            return
        with self._database.write() as tx:
            yield View(tx.conn, self._settings.current)


def _parse_members(view: View, text: str) -> tuple[list[NewMember], list[LineProblem]]:
    people, problems = [], []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            one = parse_member(line)
            view.address(one.address)
            people.append(one)
        except EstafetaError as error:
            problems.append(LineProblem(number, line[:100], error.public))
    return people, problems


def parse_member(text: str) -> NewMember:
    """`Ana García <ana@example.org>`, or only the address; a bare name stays bare. EstafetaError INVALID."""
    if "<" not in text:
        if not text.strip() or len(text.split()) > 1:
            raise EstafetaError(Kind.INVALID, "That is not one address.")
        return NewMember(text.strip())
    found = parse_address_list(text.encode("utf-8", "replace"))
    if len(found) != 1 or not isinstance(found[0], Mailbox) or not found[0].local:
        raise EstafetaError(Kind.INVALID, "That is not one address.")
    one = found[0]
    address = one.local + (b"@" + one.domain if one.domain else b"")
    return NewMember(address.decode("utf-8", "replace"), one.display_name)


def _name(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()[:_LONGEST_NAME]


def _spelled(member: Member) -> str:
    if not member.display_name:
        return member.address
    name = member.display_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{member.address}>'
