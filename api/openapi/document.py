"""The OpenAPI document, made from the routes, and a page that shows it."""

from threading import Lock
from typing import Any

from flask import Flask, render_template_string
from flask_smorest import Api, Blueprint
from marshmallow import fields
from werkzeug.routing import BaseConverter

from api.openapi.fields import Strict, about
from api.problems import MEDIA_TYPE
from api.session_cookie import COOKIE, TOKEN_HEADER
from ledger.vocabulary.medium_record import UID_LENGTH

VERSION = "1"
TITLE = "eticket-ledger"
_UID_PATTERN = f"[0-9a-f]{{{2 * UID_LENGTH}}}"

_SAYS = """\
The system of record for who owns an e-ticket.

Every command answers with the header `Ledger-Position`; a read that carries it as
`At-Least-Position` waits until its view has come that far. Refusals are
`application/problem+json` with a stable `code` and one plain sentence in `detail`.
Money is in minor units, times are in UTC, bytes are in lower-case hex unless said
otherwise."""


class ProblemOut(Strict):
    """A refusal (RFC 9457)."""

    type = fields.String(metadata=about("Stable name.", "/problems/epoch_stale"))
    title = fields.String(metadata=about("The code, in words.", "Epoch stale"))
    status = fields.Integer(metadata=about("The HTTP status.", 409))
    detail = fields.String(metadata=about("What a person reads."))
    code = fields.String(metadata=about("Never changes its meaning.", "epoch_stale"))
    facts = fields.Dict(metadata=about("The values that decided it."))
    because = fields.List(
        fields.String(), metadata=about("Events that decided it: stream id/version.")
    )
    do = fields.String(metadata=about("What whoever was refused can do now."))


class UidConverter(BaseConverter):
    """A medium's unique id in a path: seven bytes in lower-case hex."""

    regex = _UID_PATTERN

    def to_python(self, value: str) -> bytes:
        return bytes.fromhex(value)

    def to_url(self, value: bytes) -> str:
        return value.hex()


# flask-smorest has no types; what is used of it is checked by the document's test.
class Document(Api):  # type: ignore[misc]
    """Collects the routes. Errors are answered elsewhere, so here they are only said.

    Three of flask-smorest's own habits are left out: its error handlers, its errors in
    a form of their own, and its header about pages. And the routes are described when
    somebody asks for the document: that takes longer than all of a server's start.
    """

    ERROR_SCHEMA = ProblemOut

    def __init__(self, app: Flask) -> None:
        app.config |= {
            "API_TITLE": TITLE,
            "API_VERSION": VERSION,
            "OPENAPI_VERSION": "3.1.0",
        }
        app.url_map.converters["uid"] = UidConverter
        self._blueprints: list[Blueprint] = []
        self._describing = Lock()
        self._document: dict[str, Any] | None = None
        super().__init__(
            app,
            spec_kwargs={
                "info": {
                    "description": _SAYS,
                    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                },
            },
        )
        self.register_converter(
            UidConverter, lambda _: {"type": "string", "pattern": f"^{_UID_PATTERN}$"}
        )
        self.spec.components.security_scheme(
            "token",
            {"type": "http", "scheme": "bearer", "description": "See POST /v1/tokens."},
        )
        self.spec.components.security_scheme(
            "session",
            {
                "type": "apiKey",
                "in": "cookie",
                "name": COOKIE,
                "description": (
                    "For pages: see POST /v1/sessions. What changes something carries"
                    f" the session's token in {TOKEN_HEADER} as well."
                ),
            },
        )

    def register_blueprint(self, blueprint: Blueprint) -> None:
        """Take in the routes of one noun."""
        self._app.register_blueprint(blueprint)
        self._blueprints.append(blueprint)

    def as_dict(self) -> dict[str, Any]:
        """Return the document; it is the same one each time."""
        with self._describing:
            if self._document is None:
                self._document = self._described()
            return self._document

    def _described(self) -> dict[str, Any]:
        for each in self._blueprints:
            each.register_views_in_doc(
                self, self._app, self.spec, name=each.name, parameters=None
            )
            self.spec.tag({"name": each.name, "description": each.description})
        found: dict[str, Any] = self.spec.to_dict()
        return found

    def as_page(self) -> str:
        """Return the document as one page that needs no script and no other server."""
        return render_template_string(_PAGE, document=self.as_dict())

    def _register_error_handlers(self) -> None:
        """None: `api.problems` answers."""

    def _register_pagination_header(self) -> None:
        """None: nothing here comes in pages."""

    def _register_responses(self) -> None:
        problem = {
            "description": "A refusal.",
            "content": {MEDIA_TYPE: {"schema": ProblemOut}},
        }
        self.spec.components.response("Problem", problem)


_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{ document.info.title }}, API {{ document.info.version }}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
         padding: 0 1rem; }
  code, pre { font-family: ui-monospace, monospace; }
  h2 { border-bottom: 1px solid; margin-top: 2rem; }
  table { border-collapse: collapse; width: 100%; }
  td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; }
  summary { cursor: pointer; }
</style>
<h1>{{ document.info.title }}, API {{ document.info.version }}</h1>
<pre>{{ document.info.description }}</pre>
<p>For programs: <a href="/v1/openapi.json">openapi.json</a>.</p>
{% macro shape(schema) -%}
  {% if schema["$ref"] %}{% set name = schema["$ref"].split("/")[-1] %}
    <a href="#{{ name }}">{{ name }}</a>
  {%- else %}{{ schema.type or "" }}{% if schema["items"] %} of
    {{ shape(schema["items"]) }}{% endif %}{% endif %}
{%- endmacro %}
{% for tag in document.tags %}
<h2>{{ tag.name }}</h2>
<p>{{ tag.description }}</p>
  {% for path, operations in document.paths.items() %}
    {% for method, operation in operations.items() if tag.name in operation.tags %}
<details>
  <summary><code>{{ method | upper }} {{ path }}</code>
    {{ operation.summary }}</summary>
  <p>{{ operation.description }}</p>
  <p>Open to: {{ (operation["x-roles"] or ["everybody"]) | join(", ") }}.</p>
      {% if operation.requestBody %}
        {% for kind, content in operation.requestBody.content.items() %}
  <p>Takes {{ kind }} {{ shape(content.schema) }}.</p>
        {% endfor %}
      {% endif %}
      {% for status, answer in operation.responses.items() if answer.content %}
        {% for kind, content in answer.content.items() %}
  <p>{{ status }}: {{ kind }} {{ shape(content.schema) }}</p>
        {% endfor %}
      {% endfor %}
</details>
    {% endfor %}
  {% endfor %}
{% endfor %}
<h2>Shapes</h2>
{% for name, schema in document.components.schemas.items() %}
<h3 id="{{ name }}">{{ name }}</h3>
<p>{{ schema.description }}</p>
<table>
  {% for field, value in schema.properties.items() %}
  <tr><td><code>{{ field }}</code></td><td>{{ shape(value) }}</td>
    <td>{{ value.description }}</td></tr>
  {% endfor %}
</table>
{% endfor %}
</html>
"""
