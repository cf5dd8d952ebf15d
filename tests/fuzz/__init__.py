"""Everything that the OpenAPI document allows, and what it does not, at every door."""
