"""Up to which position each policy has drawn its conclusions."""

from __future__ import annotations

from eventsourcing.postgres import PostgresDatastore


class Tracking:
    """The table `policy_tracking`; whoever keeps conclusions moves it with them."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def position(self, policy: str) -> int:
        """Return the position of the last event that a policy has taken in."""
        with self._datastore.get_connection() as connection:
            row = connection.execute(
                "SELECT position FROM policy_tracking WHERE name = %s", (policy,)
            ).fetchone()
        return int(row["position"]) if row else 0
