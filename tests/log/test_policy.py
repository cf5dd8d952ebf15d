"""A policy says who must agree, in the words of C2SP tlog-policy."""

import pytest

from ledger.log.checkpoint import Checkpoint
from ledger.log.cosignature import Cosigner
from ledger.log.note import Note
from ledger.log.policy import BadPolicy, Policy
from tests.log.witnessing import COSIGNERS, NOON, ORIGIN, SIGNER, key

NAMES = {f"X{n}": Cosigner(f"x{n}.example", key(100 + n)) for n in (1, 2, 3)} | {
    f"Y{n}": Cosigner(f"y{n}.example", key(110 + n)) for n in (1, 2, 3)
}
# The specification's own example, with keys.
EXAMPLE = f"""
# Two organisations.
log {SIGNER.verifier}
witness X1 {NAMES["X1"].verifier} https://x1.example/
witness\tX2  {NAMES["X2"].verifier}
 witness X3 {NAMES["X3"].verifier}
group X-witnesses 2 X1 X2 X3

witness Y1 {NAMES["Y1"].verifier}
witness Y2 {NAMES["Y2"].verifier}
witness Y3 {NAMES["Y3"].verifier}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""
A, B = (f"witness {name} {COSIGNERS[name].verifier}" for name in "ab")


@pytest.mark.parametrize(
    ("cosigned", "met"),
    [
        ("X1 X2 Y3", True),
        ("X1 X2 X3 Y1 Y2", True),
        ("X1 Y1 Y2 Y3", False),
        ("X1 X2 X3", False),
        ("", False),
        ("X1 X1 Y1", False),
    ],
)
def test_the_specification_s_example_is_read_as_it_says(cosigned, met):
    policy = Policy.parse(EXAMPLE.encode())
    assert policy.is_met(set(cosigned.split())) is met
    assert policy.logs[0].verifier == SIGNER.verifier
    assert policy.witnesses[0].url == "https://x1.example/"


def test_a_single_witness_and_nobody_are_quorums():
    one = Policy.parse(f"{A}\nquorum a".encode())
    assert one.is_met({"a"})
    assert not one.is_met(set())
    assert Policy.parse(b"quorum none").is_met(set())
    assert Policy().is_met(set())


def test_who_cosigned_is_read_from_the_note_and_a_wrong_line_counts_for_nothing():
    policy = Policy.parse(f"{A}\n{B}\nquorum a".encode())
    text = Checkpoint(ORIGIN, 1, bytes(32)).text()
    other = Checkpoint(ORIGIN, 2, bytes(32)).text()
    note = SIGNER.sign(text) + COSIGNERS["a"].line(other, at=NOON)
    note += COSIGNERS["b"].line(text, at=NOON) + COSIGNERS["c"].line(text, at=NOON)
    assert policy.cosigned(Note.parse(note)) == {"b": NOON}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum a",
        "quorum none\nquorum none",
        f"{A}\nquorum b",
        f"{A}\n{A}\nquorum a",
        f"{A}\nwitness other {COSIGNERS['a'].verifier}\nquorum a",
        f"{A}\n{B.replace(' b ', ' a ')}\nquorum a",
        f"witness none {COSIGNERS['a'].verifier}\nquorum none",
        f"witness a {SIGNER.verifier}\nquorum a",
        f"log {COSIGNERS['a'].verifier}\nquorum none",
        f"log {SIGNER.verifier}\nlog {SIGNER.verifier}\nquorum none",
        f"{A}\ngroup g 0 a\nquorum g",
        f"{A}\ngroup g 2 a\nquorum g",
        f"{A}\ngroup g 01 a\nquorum g",
        f"{A}\ngroup g any\nquorum g",
        f"{A}\ngroup g any none\nquorum g",
        f"group g any a\n{A}\nquorum g",
        f"{A}\ngroup g any g\nquorum g",
        f"{A}\n{B}\ngroup g any a a\nquorum g",
        f"{A}\n{B}\ngroup g any a\ngroup h any a b\nquorum h",
        f"{A} http://x more\nquorum a",
        "quorum none\nwhatever",
        "quorum none\r\n",
        "quorum none\0",
    ],
)
def test_what_is_no_policy_is_refused_with_its_line(text):
    with pytest.raises(BadPolicy):
        Policy.parse(text.encode())


def test_names_are_opaque_octets():
    line = f"witness \xe9 {COSIGNERS['a'].verifier}".encode("latin-1")
    policy = Policy.parse(line + b"\nquorum \xe9")
    assert policy.is_met({policy.witnesses[0].name})
