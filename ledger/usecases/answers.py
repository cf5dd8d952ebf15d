"""What a holder answers to an offering's question: asked of every new owner, sealed."""

from __future__ import annotations

from uuid import UUID

from ledger.errors import Conflict
from ledger.ports import PersonalData
from ledger.vocabulary.codes import Question


class AnswerMissing(Conflict):
    code = "incomplete"
    says = "The holder will be asked “{question}”, so an answer is needed now."


def seal_answer(
    personal: PersonalData, *, holder_id: UUID, question: int | None, answer: str | None
) -> str | None:
    """Seal the holder's answer; raise `AnswerMissing` if one is needed."""
    if question is None:
        return None
    if not answer:
        raise AnswerMissing(question=Question(question).text)
    return personal.seal(holder_id, answer)
