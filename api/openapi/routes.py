"""How a route is declared: what it takes, what it answers, which view it waits for.

The declaration is both checked at every request and written into the document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from flask import Request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, ValidationError, missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from api.auth import ACCESS, PUBLIC, Who
from api.conditions import DRY_RUN, IF_MATCH, can_be_dry, matching, tagged
from api.idempotency import IDEMPOTENCY_KEY, KEY_MAX, NOT_KEPT
from api.openapi.fields import sentence
from api.positions import AT_LEAST, LEDGER_POSITION, Waiting
from api.problems import BadFields, MalformedJson

Json = Mapping[str, Any]
Answer = tuple[object, dict[str, str]]
View = TypeVar("View", bound=Callable[..., Any])

_POSITION_OUT = {
    LEDGER_POSITION: {
        "description": "The position in the log that this answer includes.",
        "schema": {"type": "integer"},
    }
}
_PROBLEM = {"$ref": "#/components/responses/Problem"}
_POSITION_IN = {
    "in": "header",
    "name": AT_LEAST,
    "description": "Answer from a view that has reached this position, or 503.",
    "schema": {"type": "integer", "minimum": 0},
}
_KEY_IN = {
    "in": "header",
    "name": IDEMPOTENCY_KEY,
    "description": (
        "Names this command, so that it is carried out once however often it is sent:"
        " the same request gets the same answer for a day."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX},
}
_MATCH_IN = {
    "in": "header",
    "name": IF_MATCH,
    "description": "Only if it is at this version still (its ETag), or else 412.",
    "schema": {"type": "string"},
}
_DRY_IN = {
    "in": "query",
    "name": DRY_RUN,
    "description": "Decide and answer, and record nothing.",
    "schema": {"type": "boolean", "default": False},
}


class Parser(FlaskParser):
    """Reads bodies and queries strictly, and refuses in our words."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012, webargs'
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": RAISE,
    }

    def load_json(self, req: Request, schema: Schema) -> Any:
        raw = req.get_data(cache=True)
        if not raw:
            return missing
        if req.mimetype != "application/json":
            raise UnsupportedMediaType
        return read_json(raw)

    def handle_error(
        self, error: ValidationError, req: Request, schema: Schema, **_: Any
    ) -> NoReturn:
        raise BadFields(says=sentence(error.messages)) from None


def read_json(raw: bytes) -> Any:
    """Read JSON as RFC 8259 has it; raise `MalformedJson`."""
    try:
        return json.loads(
            raw.decode(), object_pairs_hook=_object, parse_constant=_constant
        )
    except RecursionError:
        raise MalformedJson(why="it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise MalformedJson(why=f"{error.msg} at character {error.pos}") from None
    except ValueError as error:
        raise MalformedJson(why=str(error).split(";", maxsplit=1)[0]) from None


class Routes:
    """The routes of one noun, as a blueprint that documents itself."""

    def __init__(
        self, name: str, prefix: str, says: str, *, waiting: Waiting | None = None
    ) -> None:
        self.blueprint = Blueprint(
            name, f"api.v1.{name}", url_prefix=prefix, description=says
        )
        self.blueprint.ARGUMENTS_PARSER = Parser()
        self._prefix = prefix
        self._waiting = waiting

    def get(
        self,
        path: str,
        *,
        gives: type[Schema],
        view: str | None = None,
        asks: type[Schema] | None = None,
        versioned: bool = False,
    ) -> Callable[[View], View]:
        """A read; `view` names the projection it answers from, if it does.

        `asks` is what may stand in the query. What is `versioned` is answered with its
        `version` as an ETag.
        """
        return self._add(
            "GET",
            path,
            gives=gives,
            status=200,
            view=view,
            asks=asks,
            versioned=versioned,
        )

    def text(self, path: str, kind: str) -> Callable[[View], View]:
        """A read that answers with text of a media type, not with JSON."""
        return self._add("GET", path, gives={"type": "string"}, status=200, kind=kind)

    def redirect(
        self, path: str, *, asks: type[Schema] | None = None
    ) -> Callable[[View], View]:
        """A read that sends the browser on, with 303."""
        return self._add("GET", path, status=303, asks=asks)

    def post(
        self,
        path: str,
        *,
        takes: type[Schema] | None = None,
        gives: type[Schema],
        status: int = 201,
        view: str | None = None,
        matches: str | None = None,
        previewed: bool = False,
    ) -> Callable[[View], View]:
        """A command. `matches` names the id in the path that If-Match is about.

        One that is `previewed` can be asked as a dry run.
        """
        return self._add(
            "POST",
            path,
            takes=takes,
            gives=gives,
            status=status,
            view=view,
            matches=matches,
            previewed=previewed,
        )

    def form(
        self,
        path: str,
        *,
        takes: type[Schema],
        gives: type[Schema] | None = None,
        refuses: type[Schema] | None = None,
    ) -> Callable[[View], View]:
        """A form of OAuth's, which the view reads by itself and answers with 200.

        `refuses` is the shape of its refusals, if they are no problems.
        """

        def declare(function: View) -> View:
            said = self.blueprint.response(200, gives)(function)
            for status in (400, 401) if refuses is not None else ():
                said = self.blueprint.alt_response(status, schema=refuses)(said)
            form = {"schema": takes}
            body = {"content": {"application/x-www-form-urlencoded": form}}
            who = ACCESS[f"POST {self._prefix}{path}"]
            said = self.blueprint.doc(**_said(who, None, ()), requestBody=body)(said)
            self.blueprint.add_url_rule(path, function.__name__, said, methods=["POST"])
            return function

        return declare

    def put(
        self,
        path: str,
        *,
        takes: type[Schema],
        gives: type[Schema],
        status: int = 200,
        matches: str | None = None,
    ) -> Callable[[View], View]:
        return self._add(
            "PUT", path, takes=takes, gives=gives, status=status, matches=matches
        )

    def delete(
        self, path: str, *, matches: str | None = None
    ) -> Callable[[View], View]:
        return self._add("DELETE", path, status=204, matches=matches)

    def _add(
        self,
        method: str,
        path: str,
        *,
        status: int,
        takes: type[Schema] | None = None,
        gives: type[Schema] | Mapping[str, str] | None = None,
        view: str | None = None,
        kind: str | None = None,
        asks: type[Schema] | None = None,
        versioned: bool = False,
        matches: str | None = None,
        previewed: bool = False,
    ) -> Callable[[View], View]:
        def declare(function: View) -> View:
            answer: Any = function
            if versioned:
                answer = tagged(answer)
            if matches is not None:
                answer = matching(matches)(answer)
            if previewed:
                answer = can_be_dry(answer)
            if view is not None:
                assert self._waiting is not None
                answer = self._waiting.before(view)(answer)
            writes = method != "GET"
            answer = self.blueprint.response(
                status,
                gives,
                content_type=kind,
                headers=_POSITION_OUT if writes else None,
            )(answer)
            if takes is not None:
                answer = self.blueprint.arguments(takes)(answer)
            if asks is not None:
                answer = self.blueprint.arguments(asks, location="query")(answer)
            whole = f"{self._prefix}{path}"
            who = ACCESS[f"{method} {whole}"]
            parameters: list[Mapping[str, object]] = [
                said
                for said, holds in (
                    (_POSITION_IN, view is not None),
                    (_KEY_IN, writes and who != PUBLIC and whole not in NOT_KEPT),
                    (_MATCH_IN, matches is not None),
                    (_DRY_IN, previewed),
                )
                if holds
            ]
            answer = self.blueprint.doc(**_said(who, takes or asks, parameters))(answer)
            self.blueprint.add_url_rule(
                path, function.__name__, answer, methods=[method]
            )
            return function

        return declare


def _said(
    who: Who, takes: object, parameters: Sequence[Mapping[str, object]]
) -> dict[str, Any]:
    """Return what the document says beside the shapes."""
    said: dict[str, Any] = {
        "security": [{"token": []}, {"session": []}] if who != PUBLIC else [],
        "responses": {"default": _PROBLEM},
    }
    if who != PUBLIC:
        said["x-roles"] = sorted(who)
    if takes is not None:
        said["responses"][422] = _PROBLEM
    if parameters:
        said["parameters"] = list(parameters)
    return said


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
