"""Rows of distribution lists. Functions over a connection; whoever calls them holds the transaction."""

import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Select, delete, func, insert, select, update

from estafeta.directory.listtables import list_members, lists
from estafeta.directory.listvalues import How, ListOptions, MailingList, Member, MemberState
from estafeta.directory.sequences import next_value
from estafeta.directory.tables import addresses
from estafeta.mail.address import Address

_CHUNK = 400
_SECRET_BYTES = 32


def find_list(conn: Connection, key: str) -> MailingList | None:
    """The list under `key`, its members not counted."""
    row = conn.execute(_lists().where(lists.c.list_key == key)).first()
    return None if row is None else _list(row)


def find_list_by_id(conn: Connection, list_id: int) -> MailingList | None:
    """Likewise, by its number."""
    row = conn.execute(_lists().where(lists.c.list_id == list_id)).first()
    return None if row is None else _list(row)


def read_lists(conn: Connection, domain: str = "", member_key: str = "") -> list[MailingList]:
    """All lists by address, of one domain or one member where asked, with their numbers of members."""
    count = select(func.count()).where(list_members.c.list_id == lists.c.list_id).scalar_subquery()
    query = _lists().add_columns(count.label("members")).order_by(addresses.c.domain, lists.c.list_key)
    if domain:
        query = query.where(addresses.c.domain == domain)
    if member_key:
        with_member = select(list_members.c.list_id).where(list_members.c.member_key == member_key)
        query = query.where(lists.c.list_id.in_(with_member))
    return [_list(row, row.members) for row in conn.execute(query)]


def count_members(conn: Connection, list_id: int) -> int:
    """How many members a list has."""
    return conn.execute(select(func.count()).where(list_members.c.list_id == list_id)).scalar() or 0


def insert_list(conn: Connection, key: str, options: ListOptions, now_seconds: int) -> int:
    """Enter a list without members; its number."""
    list_id = next_value(conn, "list")
    row = {
        "list_key": key,
        "list_id": list_id,
        "options": encode_options(options),
        "secret": secrets.token_hex(_SECRET_BYTES),
        "last_number": 0,
        "created_seconds": now_seconds,
    }
    conn.execute(insert(lists).values(row))
    return list_id


def write_options(conn: Connection, list_id: int, options: ListOptions) -> None:
    """Put `options` in place of those that a list has."""
    conn.execute(update(lists).where(lists.c.list_id == list_id).values(options=encode_options(options)))


def renew_secret(conn: Connection, list_id: int) -> None:
    """A new secret: tokens and links made until now are worthless."""
    secret = secrets.token_hex(_SECRET_BYTES)
    conn.execute(update(lists).where(lists.c.list_id == list_id).values(secret=secret))


def delete_list(conn: Connection, list_id: int) -> None:
    """Forget a list and its members."""
    conn.execute(delete(list_members).where(list_members.c.list_id == list_id))
    conn.execute(delete(lists).where(lists.c.list_id == list_id))


def encode_options(options: ListOptions) -> str:
    """JSON of what differs from the defaults."""
    return json.dumps(options.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)


def decode_options(text: str) -> ListOptions:
    """What `encode_options` made. An option that this version does not know, or not so, has its default."""
    values = json.loads(text)
    while True:
        try:
            return ListOptions.model_validate(values)
        except ValidationError as error:
            bad = {str(each["loc"][0]) for each in error.errors() if each["loc"]} & set(values)
            values = {name: value for name, value in values.items() if name not in bad} if bad else {}


def find_numbers(conn: Connection, list_id: int, keys: Iterable[str]) -> dict[str, int]:
    """The numbers of those of `keys` that are members."""
    wanted, found = list(dict.fromkeys(keys)), {}
    columns = list_members.c
    for start in range(0, len(wanted), _CHUNK):
        query = select(columns.member_key, columns.number).where(
            columns.list_id == list_id, columns.member_key.in_(wanted[start : start + _CHUNK])
        )
        found.update({row[0]: row[1] for row in conn.execute(query)})
    return found


def read_members(conn: Connection, list_id: int) -> list[Member]:
    """All members by address."""
    query = select(list_members).where(list_members.c.list_id == list_id).order_by(list_members.c.member_key)
    return [_member(row) for row in conn.execute(query)]


def find_member(conn: Connection, list_id: int, key: str = "", number: int = 0) -> Member | None:
    """The member with this key or, without one, this number."""
    columns = list_members.c
    wanted = columns.member_key == key if key else columns.number == number
    row = conn.execute(select(list_members).where(columns.list_id == list_id, wanted)).first()
    return None if row is None else _member(row)


def read_page(conn: Connection, list_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """The next `limit` active members after number `after`: their numbers and addresses, in the order of numbers."""
    columns = list_members.c
    query = (
        select(columns.number, columns.member)
        .where(columns.list_id == list_id, columns.number > after, columns.state == MemberState.ACTIVE)
        .order_by(columns.number)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def insert_members(
    conn: Connection, list_id: int, people: Sequence[tuple[Address, str]], how: How, now_seconds: int
) -> list[Address]:
    """Put (address, name) into a list; those who were no members yet."""
    known = find_numbers(conn, list_id, (address.key for address, _ in people))
    new: dict[str, tuple[Address, str]] = {}
    for address, name in people:
        if address.key not in known:
            new.setdefault(address.key, (address, name))
    if not new:
        return []
    # The row lock keeps two that add members at once apart.
    conn.execute(update(lists).where(lists.c.list_id == list_id).values(last_number=lists.c.last_number + len(new)))
    last = conn.execute(select(lists.c.last_number).where(lists.c.list_id == list_id)).scalar() or 0
    rows = [
        {
            "list_id": list_id,
            "number": number,
            "member_key": key,
            "member": str(address),
            "display_name": name,
            "state": MemberState.ACTIVE,
            "how": how,
            "joined_seconds": now_seconds,
            "bounces": 0,
            "bounce_day": 0,
        }
        for number, (key, (address, name)) in enumerate(new.items(), last - len(new) + 1)
    ]
    conn.execute(insert(list_members), rows)
    return [address for address, _ in new.values()]


def delete_members(conn: Connection, list_id: int, keys: Sequence[str]) -> int:
    """Take members out; how many were in."""
    gone = 0
    for start in range(0, len(keys), _CHUNK):
        chosen = list_members.c.member_key.in_(keys[start : start + _CHUNK])
        gone += conn.execute(delete(list_members).where(list_members.c.list_id == list_id, chosen)).rowcount
    return gone


def write_state(conn: Connection, list_id: int, keys: Sequence[str], state: MemberState) -> int:
    """Pause members or let them go on, with their bounces forgotten; how many are members."""
    changed = 0
    for start in range(0, len(keys), _CHUNK):
        chosen = list_members.c.member_key.in_(keys[start : start + _CHUNK])
        statement = update(list_members).where(list_members.c.list_id == list_id, chosen)
        changed += conn.execute(statement.values(state=state, bounces=0, bounce_day=0)).rowcount
    return changed


def write_bounces(conn: Connection, list_id: int, number: int, bounces: int, day: int) -> None:
    """Keep how often, and when last, a member's mail came back."""
    mine = (list_members.c.list_id == list_id) & (list_members.c.number == number)
    conn.execute(update(list_members).where(mine).values(bounces=bounces, bounce_day=day))


def _lists() -> Select[Any]:
    return select(lists, addresses.c.address).join_from(lists, addresses, addresses.c.address_key == lists.c.list_key)


def _list(row: Any, members: int = -1) -> MailingList:
    return MailingList(
        list_id=row.list_id,
        address=row.address,
        key=row.list_key,
        options=decode_options(row.options),
        secret=bytes.fromhex(row.secret),
        created_seconds=row.created_seconds,
        members=members,
    )


def _member(row: Any) -> Member:
    return Member(
        number=row.number,
        address=row.member,
        display_name=row.display_name,
        state=MemberState(row.state),
        how=How(row.how),
        joined_seconds=row.joined_seconds,
        bounces=row.bounces,
        bounce_day=row.bounce_day,
    )
