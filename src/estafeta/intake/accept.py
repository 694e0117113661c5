"""Taking messages in: the one door, of which each worker has one. A message on its way is a `Reception`."""

import time
from collections.abc import Callable, Sequence

from estafeta.intake.conditions import PLAIN, Conditions, Origin, Recipient
from estafeta.intake.idents import Idents
from estafeta.intake.planning import Planner
from estafeta.intake.reception import Confirm, Inspect, Reception
from estafeta.mail.address import Address
from estafeta.mailboxes.service import Mailboxes, Submit
from estafeta.storage.database import Database
from estafeta.storage.packs import Packs

Clock = Callable[[], float]


class Intake:
    """Makes receptions."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        packs: Packs,
        database: Database,
        *,
        planner: Planner,
        idents: Idents,
        submit: Submit,
        confirm: Confirm = lambda message, recipients, conditions, head: (),
        hostname: str,
        clock: Clock = time.time,
    ) -> None:
        self.mailboxes = mailboxes
        self.planner = planner
        self.submit = submit
        self.confirm = confirm
        self.packs = packs
        self.database = database
        self.hostname = hostname
        self.clock = clock
        self.idents = idents

    def open(
        self,
        sender: Address | None,
        recipients: Sequence[Recipient],
        origin: Origin,
        conditions: Conditions = PLAIN,
        *,
        max_bytes: int,
        max_hops: int,
        inspect: Inspect,
    ) -> Reception:
        """Begin to take a message of at most `max_bytes` octets (0: no limit), which `inspect` may refuse."""
        return Reception(self, sender, tuple(recipients), origin, conditions, max_bytes, max_hops, inspect)
