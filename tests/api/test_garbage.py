"""Whatever is sent: no door crashes, and what is refused leaves no trace."""

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import describe
from api.auth import ACCESS
from api.oauth.endpoints import FORM, REVOKE, TOKEN
from ledger.vocabulary.codes import Role
from tests.api.callers import Callers
from tests.api.cards import personalised

WRITES = sorted(row for row in ACCESS if not row.startswith("GET"))
EXAMPLES = 400
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
WORDS = ("A1", "EUR", "R-1", "D1-000001", "0" * 32, "AAAA", "")
TIMES = ("2026-11-22T11:00:00Z", "2026-11-22T13:00:00Z", "2026-12-24T00:00:00+01:00")


class Plausible:
    """Bodies of the right shape, made from the document, with ids that exist."""

    def __init__(self, ids: list[str], reading: dict[str, Any]) -> None:
        self.document = describe()
        self.ids = st.sampled_from(ids)
        self.reading = reading

    def body(self, row: str) -> st.SearchStrategy[Any]:
        method, path = row.split()
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)
        operation = self.document["paths"][path][method.lower()]
        for content in operation.get("requestBody", {}).get("content", {}).values():
            return self.of(content["schema"])
        return st.none()

    def of(self, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self.named(schema["$ref"].rsplit("/", 1)[1])
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[0]
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if kind == "array":
            return st.lists(self.of(schema["items"]), max_size=2)
        if kind == "integer":
            ends = [schema.get("minimum", 0), schema.get("maximum", 9)]
            return st.sampled_from([*ends, 0, 1, 2])
        if kind == "boolean":
            return st.booleans()
        return self.text(schema)

    def named(self, name: str) -> st.SearchStrategy[Any]:
        schema = self.document["components"]["schemas"][name]
        every = {field: self.of(value) for field, value in schema["properties"].items()}
        needed = {field: every.pop(field) for field in schema.get("required", ())}
        made = st.fixed_dictionaries(needed, optional=every)
        return st.just(self.reading) | made if name == "CardReading" else made

    def text(self, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        if schema.get("format") == "uuid":
            return self.ids
        if schema.get("format") == "date-time":
            return st.sampled_from(TIMES)
        if "pattern" in schema:
            return st.from_regex(schema["pattern"], fullmatch=True)
        return st.sampled_from(WORDS)


@pytest.mark.timeout(300)
def test_no_door_crashes_and_no_refusal_is_recorded(callers: Callers, installation):
    ticket_id = callers.ticket(callers.ada)
    card = personalised(callers, callers.ada)
    terminal = callers.device("terminal", Role.TERMINAL, by=callers.ada)
    dispenser = callers.device("dispenser", Role.DISPENSER)
    machines = [
        callers.caller(*Role, party_id=party_id, device_id=device.device_id)
        for party_id in (callers.ada.party_id, callers.issuer.party_id)
        for device in (terminal, dispenser)
    ]
    ids = [ticket_id, str(callers.ada.party_id), str(terminal.device_id)]
    ids.append(str(UUID(int=1)))
    plausible = Plausible(ids, card.reading())
    bodies = {row: plausible.body(row) for row in WRITES}
    seen: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        row=st.sampled_from(WRITES),
        caller=st.sampled_from(machines),
        named=st.sampled_from(ids),
        data=st.data(),
    )
    def is_answered(row: str, caller: Any, named: str, data: st.DataObject) -> None:
        method, path = row.split()
        path = path.replace("<uid:uid>", card.uid.hex())
        path = path.replace("<uuid:ticket_id>", ticket_id)
        while "<uuid:" in path:
            before, _, after = path.partition("<uuid:")
            path = before + named + after.partition(">")[2]
        if path == f"/v1/devices/{terminal.device_id}":
            return  # Its tokens would end with it.
        body = data.draw(bodies[row] | bodies[row] | ANY_JSON)
        at = installation.ledger.position()
        oauth = path in {TOKEN, REVOKE}  # They take forms, and refuse as RFC 6749.
        if oauth and isinstance(body, dict):
            answer = caller.call(method, path, data=urlencode(body), content_type=FORM)
        else:
            answer = caller.call(
                method, path, data=json.dumps(body), content_type="application/json"
            )
        seen[answer.status] += 1
        assert answer.status < 500
        if answer.status >= 400:
            assert answer.json["error"] if oauth else answer.refusal
            assert installation.ledger.position() == at

    is_answered()
    # The strange requests were no mere nonsense: rules were asked, and some said yes.
    assert seen[409], seen
    assert seen[200] + seen[201], seen
