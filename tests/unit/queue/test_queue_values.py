"""Everything that is handed to the writer process can be, and lines keep owners apart."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estafeta.mail.scan import MessageScanner
from estafeta.queue import accepting, courier_ops, operating, settling
from estafeta.queue.courier_ops import Beat, Claim, Release
from estafeta.queue.lines import NOT_READY, SHARED, line_of
from estafeta.queue.operating import Action, Change, DestinationAction, DestinationChange
from estafeta.queue.values import Acceptance, Delay, EntryFlag, NewEntry, NewRecipient, Place, Settle, Trouble

_SUMMARY = MessageScanner().close()
_ENTRY = NewEntry(1, "", 1, (NewRecipient("mx:x.test", "a@x.test", 0, 1),), 1, 0, flags=EntryFlag.UTF8)


@pytest.mark.parametrize(
    "value",
    [
        (Acceptance(_SUMMARY, entry=_ENTRY),),
        Settle(1, "n:0", 0, (Place(1, 0),), (Delay(Place(1, 1), 5, "451"),), trouble=Trouble(1, "refused")),
        Beat("n:0", True, ("m:1",)),
        Claim("n:0", 0, 20),
        Release("n:0", (1, 2)),
        Change(Action.HOLD, (Place(1, 0),), 0, "root"),
        DestinationChange(DestinationAction.FORGET, ("mx:x.test",), 0),
        accepting.accept,
        settling.settle,
        courier_ops.claim,
        courier_ops.release,
        courier_ops.beat,
        operating.change,
        operating.change_destinations,
        operating.prune,
    ],
)
def test_payloads_and_operations_go_to_the_writer(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


@given(st.lists(st.integers(-(2**32) - 1, 2**53), unique=True, max_size=5))
def test_each_owner_has_a_line_of_its_own(owners: list[int]) -> None:
    lines = {line_of(owner) for owner in owners}
    assert len(lines) == len(owners)
    assert all(line > SHARED > max(NOT_READY) for line in lines)
