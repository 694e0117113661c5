"""ETRN sends what waits for a domain's servers, not what somebody wants to be sent later (RFC 1985, RFC 4865)."""

from queue_kit import Queue, ident
from store_kit import Store

from estafeta.app.outward import places_elsewhere
from estafeta.queue.values import Place


def test_etrn_leaves_alone_what_is_to_be_released_later(store: Store) -> None:
    queue = Queue(store)
    hops = ("mx:branch.test", "host:gw.test:25", "lmtp:/run/x", "local:here", "list:news@branch.test")
    for number, hop in enumerate(hops):
        queue.send(number, "ana@branch.test", hop=hop)
    queue.send(9, "ana@other.test", hop="mx:branch.test")
    found = queue.read(lambda conn: list(places_elsewhere(conn, "branch.test")))
    assert sorted(found) == [Place(ident(number), 0) for number in range(3)]
