"""`ledgerctl witness`: watch over other people's logs, and say so with a signature.

A witness needs no database and nothing of the log's operator but the log's verifier
key. It is best run by somebody else, elsewhere.
"""

from __future__ import annotations

import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Any

import click

from api.cli.parent import end_with_parent
from ledger.adapters.witness_files import WitnessFolder, witness_key
from ledger.clock import Clock, SystemClock
from ledger.errors import Malformed
from ledger.log.cosignature import Cosigner
from ledger.log.note import BadNote, Verifier
from ledger.log.policy import BadPolicy, Policy
from ledger.log.witness import NOT_FOUND, PATH, REQUEST_MAX, Answer, Witness
from ledger.settings import PORT_MAX

TIMEOUT_S = 10.0
TOO_LONG = 413
NOT_KEPT = 500
LENGTH_REQUIRED = 411


class NoLogs(Malformed):
    code = "malformed"
    says = "Say by --log or --policy which logs are witnessed: their verifier keys."


class WitnessCannotBegin(Malformed):
    code = "malformed"
    says = "The witness cannot begin: {why}."


_key = click.option(
    "--key",
    "key_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The witness's key; it is drawn and kept here if there is none yet.",
)
_name = click.option(
    "--name", required=True, help="The witness's name, as a URL without its scheme."
)


@click.group()
def witness() -> None:
    """Cosign checkpoints of logs (C2SP tlog-witness)."""


@witness.command()
@_name
@_key
def key(name: str, key_file: Path) -> None:
    """Print the verifier key, which a log's policy names."""
    click.echo(_cosigner(name, key_file).verifier)


@witness.command()
@_name
@_key
@click.option("--log", "vkeys", multiple=True, help="A log's verifier key; repeatable.")
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A policy file: its `log` lines say which logs are witnessed.",
)
@click.option(
    "--state",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder where the last checkpoint of each log is kept.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port", default=8471, show_default=True, type=click.IntRange(0, PORT_MAX)
)
@click.option("--with-parent", is_flag=True, help="End when standard input is closed.")
def serve(
    name: str,
    key_file: Path,
    vkeys: tuple[str, ...],
    policy_file: Path | None,
    state: Path,
    host: str,
    port: int,
    *,
    with_parent: bool,
) -> None:
    """Answer add-checkpoint until a signal says stop.

    A checkpoint that does not continue the last one seen is refused: a fork or a
    rollback of the log gets no signature here.
    """
    logs = _logs(vkeys, policy_file)
    cosigner = _cosigner(name, key_file)
    if with_parent:
        end_with_parent()
    with WitnessFolder.opened(state) as folder:
        server = make_server(Witness(cosigner, logs, folder), host, port)
        with server:
            _serve(server)


def make_server(
    its: Witness, host: str, port: int, *, clock: Clock | None = None
) -> ThreadingHTTPServer:
    """Return a server that is bound and does not answer yet."""
    now = (clock or SystemClock()).now

    class Handler(BaseHTTPRequestHandler):
        """One request; the witness itself lets them in one by one."""

        protocol_version = "HTTP/1.1"
        timeout = TIMEOUT_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()):
                self._answer(Answer(LENGTH_REQUIRED), close=True)
            elif int(length) > REQUEST_MAX:
                self._answer(Answer(TOO_LONG), close=True)
            else:
                body = self.rfile.read(int(length))
                self._answer(self._asked(body))

        def _asked(self, body: bytes) -> Answer:
            if self.path != PATH:
                return Answer(NOT_FOUND, "there is nothing here\n")
            try:
                return its.add_checkpoint(body, at=now())
            except OSError:  # What cannot be kept is not cosigned.
                return Answer(NOT_KEPT, "the checkpoint cannot be kept\n")

        def _answer(self, answer: Answer, *, close: bool = False) -> None:
            body = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(body)))
            if close:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing: what was witnessed is kept in the folder."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    return server


def _serve(server: ThreadingHTTPServer) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        Thread(target=server.shutdown).start()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    host, port = server.server_address[:2]
    click.echo(f"The witness answers at http://{host!s}:{port}")
    server.serve_forever(poll_interval=0.1)


def _cosigner(name: str, key_file: Path) -> Cosigner:
    try:
        return Cosigner(name, witness_key(key_file))
    except BadNote as error:
        raise WitnessCannotBegin(why=f"{name} is no name of a key") from error


def _logs(vkeys: tuple[str, ...], policy_file: Path | None) -> list[Verifier]:
    try:
        logs = [Verifier.parse(vkey) for vkey in vkeys]
        if policy_file is not None:
            policy = Policy.parse(policy_file.read_bytes())
            logs += [known.verifier for known in policy.logs]
    except BadNote as error:
        raise WitnessCannotBegin(
            why=f"a key is no verifier key of a log, {error}"
        ) from None
    except BadPolicy as error:
        raise WitnessCannotBegin(why=str(error).rstrip(".")) from None
    if not logs:
        raise NoLogs
    return logs
