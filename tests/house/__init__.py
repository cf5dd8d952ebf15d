"""The house the rooms stand in: settings, the database, migrations, import rules."""
