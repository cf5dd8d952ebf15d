"""What whoever was refused can do now, by the code of the refusal.

A code means the same wherever it comes from. The sentences leave with every problem,
stand at `/problems/CODE`, and in docs/refusals.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import render_template_string

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
    "bad_redirect_uri": (
        "Register the address where the program takes its answer, without a #fragment."
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
    "in_exchange": "Confirm the exchange or give it up, then try again.",
    "in_flight": "Wait as long as the answer says, then send the same request again.",
    "in_gift": "Withdraw the offer, or wait until it was answered or its time is over.",
    "incomplete": "Send it again with what is missing.",
    "insufficient_funds": "Top the purse up, or pay in another way.",
    "internal_error": (
        "Ask the operator and name the Request-Id. A command may be sent again with its"
        " Idempotency-Key."
    ),
    "keys_missing": "Put the key where the sentence says; nothing was changed.",
    "limit": "Ask for fewer, or for less; the facts name the limit or what is left.",
    "listed": "Take the listing down, then try again.",
    "log_damaged": (
        "Stop writing, keep the database as it is, restore the last backup elsewhere"
        " and compare."
    ),
    "log_exists": "Choose another schema and another origin; `log list` tells them.",
    "log_stopped": "Only reading is possible until an operator has looked at the log.",
    "login_taken": ("Sign in with the account there is, or choose another login name."),
    "malformed": (
        "Correct the request as the sentence says; as it is, it is never accepted."
    ),
    "malformed_json": "Send the body as JSON.",
    "malformed_request": "Mend the request: it is not HTTP as RFC 9112 has it.",
    "medium_blocked": (
        "Do not use this card. The rights on it are not lost: they are recorded on"
        " another."
    ),
    "medium_stale": "Tap the card at a user terminal to refresh it.",
    "medium_suspect": (
        "Take the card to the transaction centre; the rights on it are not lost."
    ),
    "method_not_allowed": "Use a method that `Allow` names.",
    "name_mismatch": (
        "Ask again: the answer is not the one that was given for this ticket."
    ),
    "needed_by_case": "Wait until the case is closed; the erasure then follows.",
    "no_longer_valid": (
        "The right is over. A refund, if any, is for the issuer to give."
    ),
    "not_acceptable": "Accept application/json.",
    "not_empty": "Choose an empty folder, or a database without this schema.",
    "not_exchangeable": "Ask the issuer: by his terms it is not exchanged.",
    "not_invited": (
        "Ask the operator for an invitation, and sign up with it: POST"
        " /v1/oidc/sign-ups. Where you have a password, sign in by that."
    ),
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
    "party_to_case": "Leave it to an operator who has no part in it.",
    "precondition_failed": "Read it anew, and decide anew.",
    "program_failed": "Do what the program said, then try again.",
    "program_missing": (
        "Install the client programs of the server's version and put them on the PATH."
    ),
    "projection_behind": (
        "Ask again after `Retry-After`, or without `At-Least-Position`."
    ),
    "provider_refused": "Sign in again, and let the provider say that it is you.",
    "provider_unavailable": (
        "Try again after `Retry-After`, or sign in by a password if you have one."
    ),
    "publisher_runs": "Stop the server, or whatever publishes this log, and try again.",
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
    "sign_in_not_under_way": (
        "Sign in again, in one browser, within ten minutes: GET /v1/oidc/login."
    ),
    "sold_out": (
        "Join the waiting list, or come back: places that are given back are sold"
        " again."
    ),
    "sold_pending": "Wait for the answer to the payment that is under way.",
    "timeout": "Send it again, in smaller parts.",
    "too_long": "Send less at once.",
    "too_many_requests": (
        "Send fewer; `Retry-After` says when the next one is let through."
    ),
    "too_many_clients": "Remove those that nobody uses: DELETE /v1/clients/<id>.",
    "took_too_long": (
        "Send it again after `Retry-After`, with the same Idempotency-Key; ask for less"
        " at once if it goes on."
    ),
    "unauthenticated": "Get a token or sign in; send the token in `Authorization`.",
    "unavailable": (
        "Send it again after `Retry-After`; with the same Idempotency-Key a command is"
        " carried out once."
    ),
    "unknown": "Check the id. What is not yours to know of is unknown, too.",
    "unsupported_media_type": "Send JSON, and say so in `Content-Type`.",
    "workroom_missing": "Run that as an administrator of the database; rebuild again.",
    "wrong_password": (
        "Try again, or ask for a new password: POST /v1/password-resets."
    ),
}

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{ title }}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto;
         padding: 0 1rem; }
</style>
<h1>{{ title }}</h1>
<p>{{ do }}</p>
<p>The code <code>{{ code }}</code> never changes its meaning. The answer that brought
you here says in <code>detail</code> what was in the way, and in <code>because</code>
which events decided it. All doors: <a href="/v1/docs">the reference</a>.</p>
</html>
"""


def title_of(code: str) -> str:
    """Return a code in words."""
    return code.replace("_", " ").capitalize()


def as_page(code: str) -> str:
    """Return what `/problems/CODE` shows. Raises KeyError for a code that is none."""
    return render_template_string(
        _PAGE, code=code, title=title_of(code), do=DO[code].replace("`", "")
    )
