"""Commands on a condition: `If-Match`, and dry runs.

What was read is answered with its version as an ETag; a command that carries it as
`If-Match` is carried out only if nothing has changed since (RFC 9110 section 13.1.1).
A dry run is decided as the command would be, and nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Flask, Response, current_app, g, request

from api.auth import terms
from api.positions import LEDGER_POSITION
from api.problems import BadFields
from ledger.vocabulary.ids import medium_id

ETAG = "ETag"
IF_MATCH = "If-Match"
DRY_RUN = "dry_run"
DRY_ANSWER = "Dry-Run"

_FLAGS = {"true": True, "false": False}
_DIGITS_MAX = 9
_MAY_BE_DRY = "may_be_dry"


def install(app: Flask) -> None:
    """Stand before every request; a dry run of what has none is never carried out."""
    app.before_request(_read_dry_run)
    app.after_request(_answer_dry_run)


def tagged(read: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a read whose answer has a `version`: it is its ETag, too."""

    @wraps(read)
    def answered(*args: Any, **kwargs: Any) -> Any:
        body = read(*args, **kwargs)
        return body, {ETAG: f'"{body["version"]}"'}

    return answered


def matching(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a command on the stream whose id the path calls `name`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def conditional(*args: Any, **kwargs: Any) -> Any:
            version = _wanted_version()
            if version is not None:
                about = kwargs[name]
                stream = about if isinstance(about, UUID) else medium_id(about)
                terms().expected = stream, version
            return command(*args, **kwargs)

        return conditional

    return decorate


def can_be_dry(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command that a person may want to preview."""

    @wraps(command)
    def itself(*args: Any, **kwargs: Any) -> Any:
        return command(*args, **kwargs)

    setattr(itself, _MAY_BE_DRY, True)
    return itself


def _wanted_version() -> int | None:
    given = request.headers.get(IF_MATCH)
    if given is None or given.strip() == "*":
        return None
    tag = given.strip().removeprefix('"').removesuffix('"')
    if f'"{tag}"' != given.strip() or not _is_number(tag):
        raise BadFields(
            says=f"{IF_MATCH} is one ETag of what is asked to change, or *."
        )
    return int(tag)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX


def _read_dry_run() -> None:
    given = request.args.get(DRY_RUN)
    if given is None or request.endpoint is None:
        return
    if given not in _FLAGS:
        raise BadFields(says=f"{DRY_RUN} is true or false.")
    view = current_app.view_functions[request.endpoint]
    if _FLAGS[given] and not getattr(view, _MAY_BE_DRY, False):
        raise BadFields(says="This cannot be asked as a dry run.")
    terms().dry = _FLAGS[given]


def _answer_dry_run(answer: Response) -> Response:
    if "terms" in g and terms().dry:
        answer.headers[DRY_ANSWER] = "?1"
        answer.headers.pop(LEDGER_POSITION, None)
        if answer.status_code == HTTPStatus.CREATED:
            answer.status_code = HTTPStatus.OK
    return answer
