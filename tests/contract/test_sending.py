"""How much users send: one count for all workers, what is normal, the brake, and an operator's word."""

import threading

import pytest

from estafeta.policy.sending import (
    DAY_SECONDS,
    HOUR_SECONDS,
    Counted,
    Sending,
    count_sending,
    forget_old_counts,
    hold,
    normal_of,
    read_brakes,
    release,
)
from estafeta.storage.commit import Item
from estafeta.storage.database import Database

NOON = 19_000 * DAY_SECONDS + 12 * HOUR_SECONDS


def send(database: Database, recipients: int, now: int = NOON, account: int = 1, **limits: int) -> Counted:
    chosen = {"per_day": 500, "per_hour": 300, "times_normal": 3, **limits}
    with database.write() as tx:
        [counted] = count_sending(tx, [Item(Sending(account, recipients, now, **chosen), ())])
    return counted


def test_up_to_the_limit_and_no_further(database):
    assert not send(database, 300).held
    assert not send(database, 200, NOON + HOUR_SECONDS).held
    over = send(database, 1, NOON + 2 * HOUR_SECONDS)
    assert over.held
    assert over.begun
    assert "501 recipients within a day" in over.reason
    # From now on all is held, and it is told once; others send as before.
    assert send(database, 1, NOON + 2 * HOUR_SECONDS) == over._replace(begun=False)
    assert send(database, 1, NOON + 3 * DAY_SECONDS).held
    assert not send(database, 500, account=2, per_hour=0).held
    with database.read() as conn:
        [one] = read_brakes(conn, NOON)
    assert (one.account_id, one.today, one.held_today) == (1, 500, 2)


def test_within_an_hour(database):
    assert not send(database, 300).held
    assert "within an hour" in send(database, 1, NOON + HOUR_SECONDS - 1).reason


def test_one_letter_to_too_many_is_held(database):
    assert send(database, 501, per_hour=0).begun


def test_who_usually_sends_more_may(database):
    for day in range(10):
        with database.write() as tx:
            release(tx, 1, NOON + (day + 1) * DAY_SECONDS)
        assert not send(database, 1000, NOON + day * DAY_SECONDS).held
    with database.write() as tx:
        release(tx, 1, 0)
    today = NOON + 10 * DAY_SECONDS
    with database.read() as conn:
        normal = normal_of(conn, 1, today // DAY_SECONDS)
    assert normal == 1000 * 27 // 30  # the latest that counts is four days old
    assert not send(database, normal, today).held
    assert not send(database, 2 * normal, today, per_hour=10_000).held
    assert send(database, 1, today, per_hour=10_000).begun


def test_nobody_teaches_it_a_new_normal_within_days(database):
    """Three times as much each day, from the plain limit on: the first step beyond it is held."""
    sent = 500
    held = []
    for day in range(5):
        held.append(send(database, sent, NOON + day * DAY_SECONDS, per_hour=0).held)
        sent *= 3
    assert held == [False, True, True, True, True]


def test_what_was_held_is_not_normal(database):
    assert send(database, 100_000).held
    with database.read() as conn:
        assert normal_of(conn, 1, NOON // DAY_SECONDS + 5) == 0


def test_an_operator_lets_it_go_on_for_a_time(database):
    assert send(database, 1000).held
    with database.write() as tx:
        release(tx, 1, NOON + 3600)
    assert not send(database, 5000).held
    # When that time is over the limits hold again.
    assert send(database, 1, NOON + 3600).begun


def test_an_operator_holds_somebody(database):
    with database.write() as tx:
        hold(tx, 1, NOON, "asked to")
    assert send(database, 1) == Counted(True, "asked to", False)


def test_clocks_that_jump(database):
    assert not send(database, 400, NOON, per_hour=0).held
    # A year back, or forward: there the day begins empty, and the plain limit holds.
    for there in (NOON - 366 * DAY_SECONDS, NOON + 366 * DAY_SECONDS):
        assert not send(database, 400, there, per_hour=0).held
        assert send(database, 101, there, per_hour=0).held
        with database.write() as tx:
            release(tx, 1, 0)
    # A release that comes from a clock years ahead is void.
    with database.write() as tx:
        release(tx, 1, NOON + 10 * 366 * DAY_SECONDS)
    assert send(database, 101, NOON, per_hour=0).held


def test_two_workers_at_once_share_one_count(database):
    """Sessions in any number, each with a letter of its own: no more than the limit goes out."""
    taken = []

    def worker() -> None:
        for _ in range(20):
            if not send(database, 25, per_hour=0).held:
                taken.append(25)

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 500


def test_old_counts_are_removed(database):
    send(database, 5)
    with database.write() as tx:
        forget_old_counts(tx, NOON + 20 * DAY_SECONDS)
    with database.read() as conn:
        assert normal_of(conn, 1, NOON // DAY_SECONDS + 20) > 0
    with database.write() as tx:
        forget_old_counts(tx, NOON + 31 * DAY_SECONDS)
    with database.read() as conn:
        assert normal_of(conn, 1, NOON // DAY_SECONDS + 20) == 0


@pytest.mark.parametrize("recipients", [1, 10, 100])
def test_a_batch_of_one_commit_counts_each(database, recipients):
    one = Sending(1, recipients, NOON, 500, 0, 3)
    with database.write() as tx:
        said = count_sending(tx, [Item(one, ()) for _ in range(600)])
    assert sum(not counted.held for counted in said) == 500 // recipients
    assert sum(counted.begun for counted in said) == 1
