"""A process that rebuilds a view in small steps, for tests to kill: it tells each."""

import sys

from ledger.application import Ledger
from ledger.log.recorder import environment
from ledger.projections.rebuild import Progress, Rebuild
from ledger.projections.registry import projection


def tell(progress: Progress) -> None:
    sys.stdout.write(f"{progress.done}\n")
    sys.stdout.flush()
    sys.stdin.readline()  # One step a line.


if __name__ == "__main__":
    url, schema, name, batch_max = sys.argv[1:]
    ledger = Ledger(environment(url, schema, 8))
    its = projection(name, ledger.recorder.datastore)
    Rebuild(ledger, its, code="that code", batch_max=int(batch_max)).run(tell)
