"""A sequencer alone, for tests to hold and to kill: URL and schema are its words."""

import sys
from threading import Event

from ledger.application import Ledger
from ledger.log.recorder import environment
from ledger.log.sequencer import Sequencer
from tests.kills.waiting import end_with_parent

NAME = "kills-sequencer"

if __name__ == "__main__":
    end_with_parent()
    url, schema = sys.argv[1:]
    Sequencer(Ledger(environment(url, schema, 2)).recorder).run(Event())
