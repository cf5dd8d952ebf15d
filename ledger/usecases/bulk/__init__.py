"""Issuing very many tickets in one command: an issuer imports a stadium."""

from ledger.usecases.bulk.issuing import Imported, Progress, issue
from ledger.usecases.bulk.places import NotEnough
from ledger.usecases.bulk.rows import BadRow, BadRows, Row, digest, wrong

__all__ = [
    "BadRow",
    "BadRows",
    "Imported",
    "NotEnough",
    "Progress",
    "Row",
    "digest",
    "issue",
    "wrong",
]
