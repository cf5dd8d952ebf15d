"""A process that follows the log for the outbox, for tests to kill.

URL and schema are its words; it says a line once it has taken the first events in.
"""

import sys

from ledger.adapters.outbox import Outbox
from ledger.adapters.tracking import Tracking
from ledger.application import Ledger
from ledger.log.recorder import environment
from ledger.policies.following import Notifying, PolicyFollower

if __name__ == "__main__":
    url, schema = sys.argv[1:]
    ledger = Ledger(environment(url, schema, 3))
    datastore = ledger.recorder.datastore
    follower = PolicyFollower(
        ledger,
        Tracking(datastore),
        Notifying(ledger, Outbox(datastore)),
        batch_max=3,
    )
    while follower.step():
        sys.stdout.write("taken\n")
        sys.stdout.flush()
