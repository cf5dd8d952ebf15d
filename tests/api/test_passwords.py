"""Accounts by invitation, passwords, resets by letter: strangers learn nothing by them.

Planted and caught: a hash that is not made for unknown names; a name's failures that
make its owner wait; an invitation that opens twice; a reset that leaves its code valid;
attempts at once that do not wait for each other.
"""

import re
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email import message_from_bytes, policy
from threading import Event

import pytest
from argon2 import PasswordHasher

from ledger.adapters import passwords
from ledger.adapters.attempts import ADDRESS, HERE, NAME, Pace, SlowDown, delay_s
from ledger.adapters.passwords import BadPassword, Passwords, require_good
from ledger.usecases.signing_in import People, sign_in
from tests.api.signed_in import ADA, BOATS, KETTLE, Page, account, invited
from tests.policies.receivers import mailbox

WRONG = (403, "wrong_password")
SLOW = (429, "too_many_requests")


@pytest.fixture
def page(callers, client):
    account(callers, callers.ada)
    return Page(client.application)


def stored(installation, table):
    with installation.datastore.get_connection() as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


# Accounts.


def test_an_invitation_opens_one_account_once(callers, client):
    code = invited(callers, callers.ada)
    body = {"invitation": code, "login_name": ADA, "password": KETTLE}
    assert callers.nobody.post("/v1/sign-ups", **body).status == 201
    again = callers.nobody.post("/v1/sign-ups", **body)
    assert again.refusal == (404, "unknown")
    assert Page(client.application).sign_in(" Ada@Example.ORG").status == 201


def test_an_invitation_is_over_in_time_and_by_the_next(callers, clock):
    first, second = (invited(callers, callers.ada) for _ in range(2))
    body = {"login_name": ADA, "password": KETTLE}
    said = callers.nobody.post("/v1/sign-ups", invitation=first, **body)
    assert said.refusal == (404, "unknown")
    clock.passes(days=7)
    said = callers.nobody.post("/v1/sign-ups", invitation=second, **body)
    assert said.refusal == (404, "unknown")


def test_a_name_is_one_accounts_and_a_party_has_one(callers, client):
    account(callers, callers.ada)
    for who, name in ((callers.ben, "ADA@example.org"), (callers.ada, "a@example.org")):
        said = callers.nobody.post(
            "/v1/sign-ups",
            invitation=invited(callers, who),
            login_name=name,
            password=KETTLE,
        )
        assert said.refusal == (409, "login_taken")


def test_an_account_acts_as_its_invitation_says(callers, client):
    account(callers, callers.issuer, ADA, "issuer", "auditor")
    page = Page(client.application)
    assert page.sign_in().json["roles"] == ["auditor", "issuer"]


def test_the_table_holds_neither_name_nor_password_nor_code(callers, installation):
    code = invited(callers, callers.ben)
    account(callers, callers.ada)
    rows = [
        repr(dict(row))
        for table in ("people_logins", "people_invitations", "stored_answers")
        for row in stored(installation, table)
    ]
    assert len(rows) == 2
    for secret in (ADA, "ada@", KETTLE, code):
        assert not any(secret in row for row in rows)
    # Nor is a quick hash of a password kept of a command that has a key.
    page = Page(callers.client.application)
    page.sign_in()
    page.call(
        "PUT",
        "/v1/me/password",
        json={"current": KETTLE, "new": BOATS},
        headers={"Idempotency-Key": "k"},
    )
    assert stored(installation, "stored_answers") == []


# What a password may be, and how it is kept.


@pytest.mark.parametrize(
    "password",
    [
        "eleven char",
        "x" * 129,
        "Password1234",
        "ababababababab",
        ADA,
        "ADA@example.org",
    ],
)
def test_what_is_short_or_guessed_first_is_no_password(password):
    with pytest.raises(BadPassword):
        require_good(password, login_name=ADA)


@pytest.mark.parametrize(
    "password",
    [
        KETTLE,
        "twelve chars",
        "y" * 124 + "four",
        "zwölf Zeichen",
        "密码" * 3 + "abcdefg",
    ],
)
def test_any_other_is_whatever_characters_it_has(password):
    require_good(password, login_name=ADA)


def test_a_password_is_kept_by_the_named_parameters(page, installation):
    (row,) = stored(installation, "people_logins")
    kind, version, cost, salt, tag = row["password_hash"].split("$")[1:]
    assert (kind, version, cost) == ("argon2id", "v=19", "m=19456,t=2,p=1")
    assert (len(b64decode(salt + "==")), len(b64decode(tag + "="))) == (16, 32)


def test_a_password_typed_on_another_keyboard_is_the_same():
    few = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    kept = few.hash("zwo\u0308lf Zeichen")
    assert few.fits(kept, "zw\u00f6lf Zeichen")
    assert not few.fits(kept, "zwolf Zeichen")


def test_what_was_hashed_otherwise_is_hashed_anew_at_the_next_signing_in(
    page, installation
):
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(KETTLE)
    with installation.datastore.transaction(commit=True) as cursor:
        cursor.execute("UPDATE people_logins SET password_hash = %s", (old,))
    assert page.sign_in(password=BOATS).refusal == WRONG
    assert stored(installation, "people_logins")[0]["password_hash"] == old
    assert page.sign_in().status == 201
    assert (
        "m=19456,t=2,p=1" in stored(installation, "people_logins")[0]["password_hash"]
    )
    assert page.sign_in().status == 201


class _Watched(PasswordHasher):
    """Hashes as ever, and tells how many did at once."""

    def __init__(self, crowd: int) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.now = self.most = self.begun = 0
        self.two = Event()
        self.crowd = crowd

    def hash(self, password, *, salt=None):
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now >= self.crowd:
            self.two.set()
        self.two.wait(5)
        try:
            return super().hash(password, salt=salt)
        finally:
            self.now -= 1


def test_no_more_are_hashed_at_once_than_memory_is_set_aside_for():
    watched = _Watched(crowd=2)
    few = Passwords(watched, at_once=2)
    with ThreadPoolExecutor(12) as pool:
        assert len(list(pool.map(few.hash, [KETTLE] * 40))) == 40
    assert watched.most == 2
    assert passwords.AT_ONCE_MAX * passwords.MEMORY_KIB <= 64 * 1024


# What strangers learn, and what they can do.


class _Counting(PasswordHasher):
    def __init__(self) -> None:
        super().__init__(time_cost=2, memory_cost=19_456, parallelism=1)
        self.verified: list[str] = []

    def verify(self, hash, password):  # noqa: A002, the library's name
        self.verified.append(hash.split("$")[3])
        return super().verify(hash, password)


def test_a_name_that_nobody_has_is_answered_alike_and_costs_as_much(
    page, callers, installation, clock
):
    known = page.sign_in(password=BOATS)
    unknown = page.sign_in("nobody@example.org", BOATS)
    assert known.refusal == unknown.refusal == WRONG
    assert known.json == unknown.json
    counting = _Counting()
    its = installation.people
    people = People(
        logins=its.logins,
        sessions=its.sessions,
        attempts=its.attempts,
        passwords=Passwords(counting),
    )
    for name in (ADA, "nobody@example.org"):
        with pytest.raises(Exception, match="wrong"):
            sign_in(
                people,
                login_name=name,
                password=BOATS,
                address="192.0.2.1",
                instead_of="",
                at=clock.now(),
            )
    assert counting.verified == ["m=19456,t=2,p=1"] * 2


def test_guessing_gets_slower_and_slower(page, clock):
    waits: list[int] = []
    while len(waits) < 6:
        told = page.sign_in(password=BOATS)
        if told.refusal == SLOW:
            waits.append(int(told.headers["Retry-After"]))
            clock.passes(seconds=waits[-1])
    assert waits == [2, 4, 8, 16, 32, 64]


def test_too_soon_is_too_soon_for_the_right_password_too(page, clock):
    for _ in range(HERE.free + 1):
        page.sign_in(password=BOATS)
    assert page.sign_in().refusal == SLOW
    clock.passes(seconds=delay_s(HERE.free + 1, HERE))
    assert page.sign_in().status == 201
    for _ in range(HERE.free):  # And all is forgiven.
        assert page.sign_in(password=BOATS).refusal == WRONG


def test_strangers_lock_nobody_out(page, clock):
    assert page.sign_in().status == 201
    for stranger in range(3 * NAME.free):
        page.sign_in(password=BOATS, address=f"203.0.113.{stranger}")
    assert page.sign_in(password=BOATS, address="203.0.113.99").refusal == SLOW
    assert page.sign_in().status == 201
    # From a new place one waits, and not for long.
    clock.passes(seconds=NAME.most_s)
    assert page.sign_in(address="192.0.2.44").status == 201


def test_one_address_does_not_try_all_names(page):
    said = [
        page.sign_in(f"{number}@example.org", BOATS).status
        for number in range(ADDRESS.free + 2)
    ]
    assert said == [403] * (ADDRESS.free + 1) + [429]


def test_many_guesses_at_once_are_not_many_free_ones(page, installation, clock):
    def guess(_):
        its = installation.people.attempts
        try:
            return its.begin(name="n", address="a", at=clock.now())
        except SlowDown:
            return None

    with ThreadPoolExecutor(6) as pool:
        begun = [each for each in pool.map(guess, range(30)) if each]
    assert len(begun) == HERE.free + 1


def test_a_wait_has_an_end():
    assert [delay_s(n, Pace(free=2, most_s=9)) for n in range(1, 9)] == [
        *(0, 0, 2, 4, 8, 9, 9, 9),
    ]
    assert delay_s(10**9, HERE) == HERE.most_s


# Another password.


def test_who_does_not_know_the_password_changes_none(page):
    page.sign_in()
    body = {"current": BOATS, "new": BOATS}
    for _ in range(HERE.free + 1):
        said = page.call("PUT", "/v1/me/password", json=body)
        assert said.refusal == WRONG
    said = page.call("PUT", "/v1/me/password", json=body)
    assert said.refusal == SLOW


def letters(installation, box):
    """Send what is in the outbox by a real mail server; return (to, text) of each."""
    settings = replace(
        installation.settings, smtp_url=f"smtp+plain://127.0.0.1:{box.port}"
    )
    schedule = replace(installation, settings=settings).schedule()
    schedule.run_now("send", Event())
    schedule.close()
    sent = []
    for _, to, content in box.letters:
        mail = message_from_bytes(content, policy=policy.default)
        sent.append((to, mail.get_content()))
    box.letters.clear()
    return sent


def code_in(text: str) -> str:
    """Return the code of a letter: it stands alone on its line, set in."""
    (code,) = re.findall(r"^ {4}(\S+)\s*$", text, re.MULTILINE)
    return str(code)


def test_a_forgotten_password_is_reset_by_letter_once(page, installation):
    page.sign_in()
    with mailbox() as box:
        asked = page.call("POST", "/v1/password-resets", json={"login_name": ADA})
        assert asked.status == 202
        ((to, text),) = letters(installation, box)
    assert to == [ADA]
    code = code_in(text)
    assert code not in repr(stored(installation, "people_resets"))
    assert code not in repr(stored(installation, "outbox"))
    assert ADA not in repr(stored(installation, "outbox"))
    body = {"code": code, "new": BOATS}
    done = page.call("POST", "/v1/password-resets/completion", json=body)
    assert (done.status, done.json) == (200, {"sessions_ended": 1})
    again = page.call("POST", "/v1/password-resets/completion", json=body)
    assert again.refusal == (404, "unknown")
    assert page.sign_in().refusal == WRONG
    assert page.sign_in(password=BOATS).status == 201


def test_a_code_is_over_in_time(page, installation, clock):
    with mailbox() as box:
        page.call("POST", "/v1/password-resets", json={"login_name": ADA})
        ((_, text),) = letters(installation, box)
    code = code_in(text)
    clock.passes(minutes=30)
    body = {"code": code, "new": BOATS}
    done = page.call("POST", "/v1/password-resets/completion", json=body)
    assert done.refusal == (404, "unknown")


def test_asking_tells_nobody_whether_a_name_is_known_and_floods_nobody(
    page, installation, clock
):
    with mailbox() as box:
        told = [
            page.call("POST", "/v1/password-resets", json={"login_name": name})
            for name in (ADA, "nobody@example.org", ADA, ADA)
        ]
        assert {(each.status, str(each.json)) for each in told} == {
            (202, str(told[0].json))
        }
        assert [to for to, _ in letters(installation, box)] == [[ADA]]
        clock.passes(minutes=3)
        page.call("POST", "/v1/password-resets", json={"login_name": ADA})
        assert len(letters(installation, box)) == 1
