"""The lab: a small internet inside one process, for tests, for training and for trying things out.

Names with their records and faults (`names`, `dns`), mail servers that behave or misbehave as told (`remote`),
MTA-STS policies over HTTPS (`https`), a SOCKS5 proxy (`socks`), certificates good and bad (`certificates`), and a clock
that jumps (`estafeta.core.clock`). Everything is on loopback, 127.77.0.0/16; other addresses are refused.
"""

from estafeta.app.lab import behaviours
from estafeta.app.lab.behaviours import Behaviour, Stage
from estafeta.app.lab.lab import Lab
from estafeta.app.lab.names import Names
from estafeta.app.lab.records import Session, TakenMessage
from estafeta.app.lab.remote import Remote
from estafeta.app.lab.threaded import LabThread

__all__ = ["Behaviour", "Lab", "LabThread", "Names", "Remote", "Session", "Stage", "TakenMessage", "behaviours"]
