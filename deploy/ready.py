"""Exit with 0 if the server of this container is ready: for HEALTHCHECK."""

import sys
from http.client import HTTPConnection, HTTPException

from ledger.settings import Settings

TIMEOUT_S = 4.0


def main() -> int:
    connection = HTTPConnection("127.0.0.1", Settings.load().port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
