"""THREAD: messages as trees of what answers what (RFC 5256 3), by ORDEREDSUBJECT, REFERENCES or REFS.

REFS (draft-ietf-morg-inthread) is REFERENCES without looking at subjects, and its threads are ordered by their latest
message. Nothing here recurses: threads may be as deep as there are messages.

Departure from RFC 5256 3, REFERENCES (1.A): In-Reply-To is taken where References is missing, and also, as the last
reference, where References does not name it; that is how the store keeps them.
What messages are told by never changes, so callers may remember it.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from estafeta.mail.basesubject import BaseSubject, base_subject
from estafeta.mail.collation import DEFAULT, Collation, sort_key
from estafeta.mail.envelope import envelope_subject
from estafeta.mail.linking import link_messages


class Algorithm(StrEnum):
    """`thread-alg` of RFC 5256 5."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"
    REFS = "REFS"


class ThreadRow(NamedTuple):
    """A message: its UID, sent date or without one its internal date (seconds since 1970), and the ids of its stored
    structure (estafeta.mail.threadid.message_ids)."""

    uid: int
    sent: float
    message_id: str = ""
    references: Sequence[str] = ()


#: The base subjects of messages, as a collation compares them, by their ascending UIDs: see `thread_subject`.
Subjects = Callable[[Sequence[int]], Sequence[BaseSubject]]


class Node:
    """A message with its answers. `uid` None: a message that is not there, which only the top of a thread can be."""

    __slots__ = ("children", "row", "sent")

    def __init__(self, row: ThreadRow | None, sent: float) -> None:
        self.row = row
        self.sent = sent
        self.children: list[Node] = []

    @property
    def uid(self) -> int | None:
        """The message's UID."""
        return None if self.row is None else self.row.uid


def thread(rows: Iterable[ThreadRow], algorithm: Algorithm, subjects: Subjects) -> list[Node]:
    """The threads of these messages, in the order in which they are to be told. `subjects` is asked once at most, for
    those messages whose subjects matter."""
    ordered = sorted(rows, key=_by_uid)
    nodes = [Node(row, row.sent) for row in ordered]
    if algorithm is Algorithm.ORDEREDSUBJECT:
        return _ordered_subject(nodes, subjects)
    roots = _link(nodes, link_messages([(row.message_id, row.references) for row in ordered]))
    for node in (*nodes, *roots):
        node.children.sort(key=_by_date)
    if algorithm is Algorithm.REFS:
        return sorted(roots, key=_latest)
    _sort_roots(roots)
    roots = _merge_subjects(roots, subjects)
    _sort_roots(roots)
    return roots


def _by_uid(row: ThreadRow) -> int:
    return row.uid


def _by_date(node: Node) -> float:
    return node.sent


def thread_subject(envelope: bytes, collation: Collation = DEFAULT) -> BaseSubject:
    """The base subject of a stored ENVELOPE text, which raises EstafetaError(INVALID) when it is damaged."""
    subject = base_subject(envelope_subject(envelope))
    return BaseSubject(sort_key(collation, subject.text), subject.is_reply)


def _ordered_subject(nodes: list[Node], subjects: Subjects) -> list[Node]:
    """RFC 5256 3, ORDEREDSUBJECT: the oldest message of each base subject, and the others as its children."""
    threads: dict[str, Node] = {}
    subject_of = _subjects_of(nodes, subjects)
    for node in sorted(nodes, key=_by_date):
        subject = subject_of[node.uid or 0].text
        if subject in threads:
            threads[subject].children.append(node)
        else:
            threads[subject] = node
    return list(threads.values())


def _subjects_of(nodes: Iterable[Node], subjects: Subjects) -> dict[int, BaseSubject]:
    uids = sorted(node.uid or 0 for node in nodes)
    return dict(zip(uids, subjects(uids), strict=True))


def _link(nodes: list[Node], links: list[int | None]) -> list[Node]:
    """REFERENCES (2) and (3): the threads, in the order of the mailbox."""
    roots: list[Node] = []
    absent: dict[int, Node] = {}
    for node, parent in zip(nodes, links, strict=True):
        if parent is None:
            roots.append(node)
        elif parent < len(nodes):
            nodes[parent].children.append(node)
        elif parent in absent:
            absent[parent].children.append(node)
        else:
            absent[parent] = dummy = Node(None, node.sent)
            dummy.children.append(node)
            roots.append(dummy)
    # (3): a dummy goes when it has one child, also when that leaves the child at the top.
    return [root.children[0] if root.row is None and len(root.children) == 1 else root for root in roots]


def _sort_roots(roots: list[Node]) -> None:
    """(4), (6): by sent date; a dummy has that of its first child. Equals stay in the order of the mailbox."""
    for root in roots:
        root.children.sort(key=_by_date_and_uid)
        if root.row is None:
            root.sent = root.children[0].sent
    roots.sort(key=_by_date_and_uid)


def _by_date_and_uid(node: Node) -> tuple[float, int]:
    first = node if node.row is not None else node.children[0]
    return node.sent, first.uid or 0


def _latest(root: Node) -> float:
    latest, todo = root.sent, [root]
    while todo:
        node = todo.pop()
        if node.row is not None and node.sent > latest:
            latest = node.sent
        todo += node.children
    return latest


def _merge_subjects(roots: list[Node], subjects: Subjects) -> list[Node]:
    """(5): threads with the same subject become one. The roots come sorted, and what is left is not sorted."""
    # (5.B.i): the subject of a dummy is that of its first child.
    firsts = [root if root.row is not None else root.children[0] for root in roots]
    subject_of = _subjects_of(firsts, subjects)
    known = [subject_of[first.uid or 0] for first in firsts]
    table = _choose_roots(roots, known)
    out: dict[int, Node] = {}
    for root, (text, is_reply) in zip(roots, known, strict=True):
        if not text:
            out[id(root)] = root
            continue
        chosen, chosen_is_reply = table[text]
        if chosen is not root and not _join(chosen, chosen_is_reply, root, is_reply):
            out.pop(id(chosen), None)
            chosen.children.sort(key=_by_date_and_uid)  # answers may have joined, and (6) sorts no deeper than dummies
            dummy = Node(None, chosen.sent)
            dummy.children += [chosen, root]
            table[text] = dummy, False
            chosen = dummy
        out[id(chosen)] = chosen
    return list(out.values())


def _choose_roots(roots: list[Node], subjects: list[BaseSubject]) -> dict[str, tuple[Node, bool]]:
    """(5.B): the "subject table", which thread stands for each subject, and whether it begins with a reply."""
    table: dict[str, tuple[Node, bool]] = {}
    for root, (text, is_reply) in zip(roots, subjects, strict=True):
        if text and (text not in table or _is_better(root, is_reply, *table[text])):
            table[text] = root, is_reply
    return table


def _is_better(root: Node, is_reply: bool, chosen: Node, chosen_is_reply: bool) -> bool:
    """(5.B.iv): whether the root is to stand for its subject in place of the one chosen before."""
    return chosen.row is not None and (root.row is None or (chosen_is_reply and not is_reply))


def _join(chosen: Node, chosen_is_reply: bool, root: Node, is_reply: bool) -> bool:
    """(5.C.iv): the root becomes part of the chosen one, if it can be; False when both need a dummy over them."""
    if chosen.row is None:
        chosen.children += root.children if root.row is None else [root]
        return True
    if is_reply and not chosen_is_reply:
        chosen.children.append(root)
        return True
    return False


def encode_thread(threads: Sequence[Node], number: Callable[[int], int]) -> bytes:
    """`1*thread-list` of RFC 5256 5 (b"" for none): `(2)(3 6 (4 23)(44 7 96))`. `number`: what a UID is called."""
    out: list[bytes] = []
    todo: list[Node | None] = [*reversed(threads)]  # None: an end
    while todo:
        node = todo.pop()
        if node is None:
            out.append(b")")
            continue
        chain = _chain(node)
        numbers = [b"%d" % number(each.row.uid) for each in chain if each.row is not None]
        out.append(b"(" + b" ".join(numbers))
        children = chain[-1].children
        # A thread whose first message is missing has no number before those of its children.
        if children and numbers:
            out.append(b" ")
        todo.append(None)
        todo += reversed(children)
    return b"".join(out)


def _chain(node: Node) -> list[Node]:
    """From the node down, as long as there is one child."""
    chain = [node]
    while len(node.children) == 1:
        node = node.children[0]
        chain.append(node)
    return chain
