"""A process that is at a job and does not end it, for tests to kill.

URL and schema are its words; it says when it is at it.
"""

import sys
from threading import Event

from ledger.application import Ledger
from ledger.jobs.schedule import GoesOn
from ledger.log.recorder import environment
from tests.jobs.scheduling import job, schedule


def hang(_: GoesOn) -> int:
    sys.stdout.write("working\n")
    sys.stdout.flush()
    Event().wait()
    return 0


if __name__ == "__main__":
    url, schema = sys.argv[1:]
    ledger = Ledger(environment(url, schema, 2))
    schedule(ledger, job("tidy", hang)).run_forever(Event())
