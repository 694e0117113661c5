"""A server whose workers do nothing but say that they live: `python stub_server.py HOME WORKERS BEHAVIOUR`.

Behaviours: `good`, `slow` (ignores SIGTERM), `dies` (before it is ready), `refuses` (EstafetaError), `crashes` (after
it is ready, the first worker only).
"""

import select
import signal
import sys
from pathlib import Path

from estafeta.app.context import WorkerContext
from estafeta.app.home import Home
from estafeta.app.serve import serve
from estafeta.core.errors import EstafetaError, Kind


def main() -> int:
    """Serve with the behaviour that the command line names."""
    home, workers, behaviour = Home.at(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    try:
        return serve(
            home, workers=workers, work=lambda context: work(context, behaviour), check_store=lambda node: None
        )
    except EstafetaError as error:
        print(f"refused: {error.public}", flush=True)
        return 1


def work(context: WorkerContext, behaviour: str) -> int:
    """A worker: notes its SIGHUPs in files, ends at SIGTERM or when the supervisor is gone."""
    if behaviour == "dies":
        return 7
    if behaviour == "refuses":
        raise EstafetaError(Kind.UNAVAILABLE, "The store is on fire.")
    ending: list[int] = []
    if behaviour == "slow":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda number, frame: ending.append(number))
    marks = Path(context.home.root)
    signal.signal(signal.SIGHUP, lambda number, frame: (marks / f"hup-{context.index}").touch())
    context.ready()
    context.report(connections=context.index, accepted=40 + context.index, loop_lag_ms=0.25)
    if behaviour == "crashes" and context.index == 0:
        raise ValueError("a mistake")
    while not ending:
        if select.select([context.control], [], [], 0.05)[0]:
            (marks / f"orphan-{context.index}").touch()
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
