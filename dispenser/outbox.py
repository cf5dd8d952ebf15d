"""What the machine did, on its own disk before it does it, until the ledger knows.

One file a job, replaced whole and flushed. After a crash the stage says what is safe:
before PRINTING the job is called off, after PRINTED it is reported, and in between
nobody can tell: a person looks and says so.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self
from uuid import UUID


class Stage(StrEnum):
    LEASED = "LEASED"  # The card may be marked; no paper has moved.
    PRINTING = "PRINTING"  # The printer was about to move, or moved.
    PRINTED = "PRINTED"  # The paper is out; the ledger may not know.
    NOT_PRINTED = "NOT_PRINTED"  # It is not; the ledger may not know.


@dataclass(frozen=True, slots=True)
class Job:
    job_id: str
    ticket_id: str
    stage: Stage
    serial: str | None = None
    reason: str | None = None
    printed_at: str | None = None

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError for what cannot be told to the ledger."""
        told = (self.serial, self.reason, self.printed_at)
        if not all(text is None or isinstance(text, str) for text in told):
            raise TypeError("what is told of a job is text")
        if not all(isinstance(name, str) for name in (self.job_id, self.ticket_id)):
            raise TypeError("a job and its ticket have names")
        UUID(self.job_id), UUID(self.ticket_id)
        if self.stage in (Stage.PRINTING, Stage.PRINTED) and not self.serial:
            raise ValueError("a paper has a serial")
        if self.stage == Stage.PRINTED:
            datetime.fromisoformat(self.printed_at or "")

    @property
    def ids(self) -> tuple[UUID, UUID]:
        """Return (ticket, job)."""
        return UUID(self.ticket_id), UUID(self.job_id)

    def at(self, stage: Stage, **said: str) -> Self:
        return replace(self, stage=stage, **said)


class OutboxDamaged(Exception):
    """A job's file cannot be read; the message names it."""

    code = "in_doubt"


class Outbox:
    """The jobs that the ledger may not know the end of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def note(self, job: Job) -> None:
        """Keep a job's stage; it is on disk when this returns."""
        path = self._path(job.job_id)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with draft.open("w") as file:
            json.dump(asdict(job), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        self._flush()

    def close(self, job: Job) -> None:
        """Forget a job whose end the ledger knows."""
        self._path(job.job_id).unlink(missing_ok=True)
        self._flush()

    def jobs(self) -> Iterator[Job]:
        """Yield what is open. Raises `OutboxDamaged`."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                said = json.loads(path.read_text())
                yield Job(**(said | {"stage": Stage(said["stage"])}))
            except (OSError, ValueError, TypeError, KeyError):
                raise OutboxDamaged(f"{path} cannot be read.") from None

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{UUID(job_id)}.json"

    def _flush(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
