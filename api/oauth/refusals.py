"""How the token endpoint refuses: as RFC 6749 section 5.2 has it."""

from __future__ import annotations

import json
from http import HTTPStatus

from flask import Flask, Response, g


class OAuthError(Exception):
    """`error` is one of the codes of RFC 6749 section 5.2; `says` is one sentence."""

    def __init__(self, error: str, says: str) -> None:
        super().__init__(says)
        self.error = error
        self.says = says


class InvalidClient(OAuthError):
    """Whoever asks has not shown who he is; which part was wrong is not told."""

    def __init__(self) -> None:
        super().__init__("invalid_client", "The client's assertion opens nothing.")


def install(app: Flask) -> None:
    """Make these errors of `app` leave as the RFC says."""
    app.register_error_handler(OAuthError, _refused)


def _refused(error: OAuthError) -> Response:
    g.code = error.error
    status = (
        HTTPStatus.UNAUTHORIZED
        if isinstance(error, InvalidClient)
        else HTTPStatus.BAD_REQUEST
    )
    body = {"error": error.error, "error_description": error.says}
    return Response(json.dumps(body), status, mimetype="application/json")
