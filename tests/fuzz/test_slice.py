"""A slice of `make fuzz`: every operation is asked something, with all checks.

Bugs planted one at a time, each of which made it fail: a route that fails on an empty
list; a null where the document promises a list; a device key that no secret can be
sealed to; a refusal in a form that the document does not name.
"""

from __future__ import annotations

from tests.fuzz.__main__ import campaign


def test_no_door_fails_on_what_the_document_allows_or_forbids():
    assert campaign(["--phases=fuzzing", "--max-examples=1", "--seed=1"]) == 0
