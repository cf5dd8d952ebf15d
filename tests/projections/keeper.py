"""A process that keeps the views, for tests to kill: URL and schema are its words."""

import sys
from threading import Event

from ledger.application import Ledger
from ledger.log.recorder import environment
from ledger.projections.runner import Runner

if __name__ == "__main__":
    url, schema = sys.argv[1:]
    Runner(Ledger(environment(url, schema, 8))).run_forever(Event())
