"""What the pages say, in one language. Names in braces are put in by the pages; nothing in it is HTML."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Texts:
    """Sentences of the pages. In `errors` by status: a title and a sentence."""

    address_label: str
    join: str
    leave: str
    join_and_leave: str
    leave_only: str
    closed: str
    responsible: str
    asked_title: str
    asked: str
    asked_more: str
    confirm_join_title: str
    confirm_join: str
    confirm_leave_title: str
    confirm_leave: str
    joined_title: str
    joined: str
    left_title: str
    left: str
    already_left: str
    mistake: str
    no_address_title: str
    no_address: str
    no_list: str
    full: str
    old_link_title: str
    old_link: str
    held_title: str
    held_intro: str
    held_from: str
    held_subject: str
    held_why: str
    held_release: str
    held_delete: str
    held_note: str
    held_released_title: str
    held_released: str
    held_deleted_title: str
    held_deleted: str
    held_gone_title: str
    held_gone: str
    errors: dict[int, tuple[str, str]]
