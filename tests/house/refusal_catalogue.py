"""Writes docs/refusals.md from the code: `python -m tests.house.refusal_catalogue`.

Codes and sentences come from the classes, what to do about them from here; a test
compares.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

import api
import ledger
from api import problems
from ledger.aggregates.medium.judge import CODES
from ledger.errors import Refusal
from ledger.vocabulary.codes import VERDICT_SAYS, Verdict

PATH = Path(__file__).parents[2] / "docs" / "refusals.md"

# What whoever asked can do now; a code means the same wherever it comes from.
DO: Mapping[str, str] = {
    "already_dispensed": (
        "The right is on paper; use that paper. One that is lost or defective is"
        " replaced by the transaction centre."
    ),
    "already_reversed": (
        "Each event is reversed at most once: look at the ticket's history, the"
        " correction is there."
    ),
    "already_sold": (
        "Somebody was first. Choose another place, or look at what the order or"
        " sale has become."
    ),
    "already_used": (
        "It was used, and is used only once. If that is disputed, complain to the"
        " transaction centre."
    ),
    "another_log": "Set what the sentence names, or take the backup of this log.",
    "bad_backup": (
        "Take another copy; nothing of this one was kept. If all its files are as they"
        " were written, the log was changed before or since: compare checkpoints."
    ),
    "bad_password": (
        "Choose another: a few words that belong together for nobody else."
    ),
    "cap": "Ask a lower price; the facts name the highest.",
    "card_write_pending": (
        "Tap the card at the terminal where the write was interrupted; that settles it."
    ),
    "carried_out": (
        "Do not send it again: read what it made. The event that the answer names is of"
        " the stream that the command began or changed."
    ),
    "case_over": "Open another case if there is something new.",
    "case_state": "Look at the case: its state says what comes next.",
    "counterfeit": (
        "Do not accept the card or the file, and tell the transaction centre."
    ),
    "device_not_authorised": (
        "Use a device that may do this, or have this one authorised."
    ),
    "epoch_stale": "What you look at is old. Read it anew, and decide anew.",
    "evidence_fixed": "Give the other content as another piece of evidence.",
    "expired": "The time for this is over; begin anew.",
    "from_elsewhere": (
        "Send it from a page of this server, with the token of GET /v1/me/session."
    ),
    "frozen": "Wait for the case, or ask the transaction centre about it.",
    "idempotency": (
        "Use another reference or key for another request; the same one gives the same"
        " answer."
    ),
    "in_dispense": (
        "Wait until the machine is done; its lease lasts no more than two minutes."
    ),
    "in_doubt": (
        "Nothing is lost, but something is not settled yet: settle that, or wait"
        " for it."
    ),
    "in_flight": "Wait as long as the answer says, then send the same request again.",
    "in_exchange": "Confirm the exchange or give it up, then try again.",
    "in_gift": "Withdraw the offer, or wait until it was answered or its time is over.",
    "incomplete": "Send it again with what is missing.",
    "insufficient_funds": "Top the purse up, or pay in another way.",
    "keys_missing": "Put the key where the sentence says; nothing was changed.",
    "limit": "Ask for fewer, or for less; the facts name the limit or what is left.",
    "listed": "Take the listing down, then try again.",
    "log_damaged": (
        "Stop writing, keep the database as it is, restore the last backup elsewhere"
        " and compare."
    ),
    "log_exists": "Choose another schema and another origin; `log list` tells them.",
    "login_taken": ("Sign in with the account there is, or choose another login name."),
    "malformed": (
        "Correct the request as the sentence says; as it is, it is never accepted."
    ),
    "malformed_json": "Send the body as JSON.",
    "medium_blocked": (
        "Do not use this card. The rights on it are not lost: they are recorded on"
        " another."
    ),
    "medium_stale": "Tap the card at a user terminal to refresh it.",
    "medium_suspect": (
        "Take the card to the transaction centre; the rights on it are not lost."
    ),
    "name_mismatch": (
        "Ask again: the answer is not the one that was given for this ticket."
    ),
    "needed_by_case": "Wait until the case is closed; the erasure then follows.",
    "no_longer_valid": (
        "The right is over. A refund, if any, is for the issuer to give."
    ),
    "not_empty": "Choose an empty folder, or a database without this schema.",
    "not_exchangeable": "Ask the issuer: by his terms it is not exchanged.",
    "not_owner": (
        "Ask as the one to whom it belongs. Whether it is there for others is not told."
    ),
    "not_published": (
        "Wait a moment, as long as the log and its witnesses take, and ask again."
    ),
    "not_refundable": (
        "Give or resell the ticket if its terms allow that, or ask the issuer."
    ),
    "not_reviewer": "Leave it to the reviewer, or take the review over first.",
    "not_transferable": (
        "By the issuer's terms, or by what became of the ticket, this cannot be done."
    ),
    "not_yet_valid": "Come back at the time that the sentence names.",
    "nothing_to_reissue": "Nothing needs to be done.",
    "on_medium": (
        "Tap the card that the facts name at a terminal to clear it, then try again."
    ),
    "overtaken": "Try again: the state is read anew, and the answer may be another.",
    "publisher_runs": "Stop the server, or whatever publishes this log, and try again.",
    "log_stopped": "Only reading is possible until an operator has looked at the log.",
    "party_to_case": "Leave it to an operator who has no part in it.",
    "precondition_failed": "Read it anew, and decide anew.",
    "program_failed": "Do what the program said, then try again.",
    "program_missing": (
        "Install the client programs of the server's version and put them on the PATH."
    ),
    "rebuild_held_up": "End the transaction that keeps the view open; rebuild again.",
    "rebuild_running": "Wait until the other rebuild has ended.",
    "rebuild_stopped": (
        "Read the event at that position, mend what cannot take it in, rebuild again."
    ),
    "revoked": (
        "The right has ended and does not come back by itself; the history says why."
    ),
    "role_missing": "Use a token with one of the roles named.",
    "same_operator": "Have another operator do this: it takes two.",
    "sold_out": (
        "Join the waiting list, or come back: places that are given back are sold"
        " again."
    ),
    "sold_pending": "Wait for the answer to the payment that is under way.",
    "too_many_requests": (
        "Send fewer; `Retry-After` says when the next one is let through."
    ),
    "unknown": "Check the id. What is not yours to know of is unknown, too.",
    "workroom_missing": "Run that as an administrator of the database; rebuild again.",
    "wrong_password": (
        "Try again, or ask for a new password: POST /v1/password-resets."
    ),
}

OPENING = """\
# Refusals

A refusal is an outcome that the caller can act on. Over HTTP it leaves as
`application/problem+json` (RFC 9457) with the `code`, one sentence (`detail`), the
`facts` that the sentence was made of, and `because`: the events that decided it, as
`stream id/version`. On the command line it is the sentence, with exit code 1.

A code is stable and never changes its meaning; sentences may be told better. The kinds
have one status each: what is *missing* 404, a *conflict* with the present state 409,
what this caller is *denied* 403, what makes no sense in whatever state (*malformed*)
422.

Made by `python -m tests.house.refusal_catalogue`.
"""

TAPS = """
## What a tap says

A card that is judged is not refused: the answer has a verdict, and a code unless the
card is good. Its slots have codes of their own, which mean what they mean above.

| verdict | code | what the person reads |
|---|---|---|
"""

OTHERS = """
## Answers that are no refusals

| code | status | when |
|---|---|---|
"""
_OTHERS = (
    ("unauthenticated", 401, "There is no bearer token, or none that is valid now."),
    ("unavailable", 503, "The database cannot be reached; look before you repeat."),
    ("projection_behind", 503, "A view has not reached the position asked for yet."),
)


def refusals() -> dict[str, list[type[Refusal]]]:
    """All refusals of the ledger and its doors, by code."""
    for package in (ledger, api):
        _import_all(package.__path__, package.__name__)
    found: dict[str, list[type[Refusal]]] = {}
    for kind in sorted(set(_below(Refusal)), key=_order):
        if kind.__module__.partition(".")[0] in ("ledger", "api") and "code" in vars(
            kind
        ):
            found.setdefault(kind.code, []).append(kind)
    return dict(sorted(found.items()))


def _import_all(path: Iterable[str], name: str) -> None:
    for module in pkgutil.walk_packages(path, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _order(kind: type[Refusal]) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


def catalogue() -> str:
    sections = "".join(_section(code, kinds) for code, kinds in refusals().items())
    return OPENING + sections + TAPS + _taps() + OTHERS + _answers()


def _section(code: str, kinds: list[type[Refusal]]) -> str:
    rows = "".join(f"| {_told(kind)} |\n" for kind in kinds)
    head = "| sentence | status | where |\n|---|---|---|\n"
    return f"\n## `{code}`\n\n{DO.get(code, '')}\n\n{head}{rows}"


def _told(kind: type[Refusal]) -> str:
    where = f"`{kind.__module__}.{kind.__name__}`"
    return f"{kind.says} | {_status(kind).value} | {where}"


def _status(kind: type[Refusal]) -> HTTPStatus:
    if issubclass(kind, problems.MalformedJson):
        return HTTPStatus.BAD_REQUEST
    return next(
        status
        for each, status in problems.STATUS_BY_KIND.items()
        if issubclass(kind, each)
    )


def _taps() -> str:
    return "".join(
        f"| `{verdict}` | {_code(CODES[verdict])} | {VERDICT_SAYS[verdict]} |\n"
        for verdict in Verdict
    )


def _code(code: str | None) -> str:
    return f"`{code}`" if code else "–"


def _answers() -> str:
    framework = [
        (code, status, says) for status, (code, says) in problems.FRAMEWORK.items()
    ]
    return "".join(
        f"| `{code}` | {status} | {says} |\n"
        for code, status, says in [*_OTHERS, *framework]
    )


if __name__ == "__main__":
    PATH.write_text(catalogue(), "utf-8")
    sys.stdout.write(f"{PATH} written\n")
