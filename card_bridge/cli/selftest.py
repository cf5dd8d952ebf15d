"""`cardctl selftest`: published figures through the card protocol of this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from card_bridge.cli.context import Context
from card_bridge.protocol.selftest import RUN, agrees

FAILED = 1


@click.command()
@click.option(
    "--vectors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Test vectors: a JSON object with a list `vectors`.",
)
@click.pass_obj
def selftest(said: Context, vectors: Path) -> None:
    """Run test vectors; exit code 1 if one fails, or if there is none to run."""
    try:
        given = json.loads(vectors.read_text())["vectors"]
        known = [vector for vector in given if vector["kind"] in RUN]
        failed = [str(vector["id"]) for vector in known if not agrees(vector)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise click.ClickException(f"{vectors} holds no test vectors.") from None
    passed = len(known) - len(failed)
    said.tell(
        {"passed": passed, "failed": failed, "left_out": len(given) - len(known)},
        f"{passed} passed, {len(failed)} failed",
    )
    for name in () if said.as_json else failed:
        click.echo(f"failed: {name}", err=True)
    if failed or not passed:
        sys.exit(FAILED)
