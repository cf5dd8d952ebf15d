"""The client library, against servers that answer well, badly, late or not at all."""
