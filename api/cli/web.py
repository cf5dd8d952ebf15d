"""What gunicorn runs: its settings that never change, and the application.

`ledgerctl serve` starts it. Every worker opens the installation for itself, after the
fork: a database connection is not shared between processes.
"""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from typing import Any

from flask import Flask

from api import tracing
from api.app import create_app
from api.cli.parent import end_with_parent
from ledger.bootstrap import open_installation
from ledger.settings import Settings

wsgi_app = "api.cli.web:application()"
worker_class = "api.cli.worker.Worker"
control_socket_disable = True
loglevel = "warning"
keepalive = 30
timeout = 60
graceful_timeout = 10


def when_ready(_server: Any) -> None:
    end_with_parent()


def application() -> Flask:
    """Open the installation and make the application that serves it."""
    opened = ExitStack()
    traces = tracing.start()
    if traces is not None:
        opened.callback(traces.stop)
    installation = opened.enter_context(open_installation(Settings.load()))
    atexit.register(opened.close)
    app = create_app(installation)
    if traces is not None:
        app.wsgi_app = traces.around(app.wsgi_app)  # type: ignore[method-assign,assignment]
    return app
