"""Figures from outside, each through the code that runs in production.

A vector is `{"id", "kind", "in", "expected"}`. What a kind gives is compared with what
is expected of it, name by name.
"""

from collections.abc import Callable, Mapping

from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.selftest import ev1, ev2, sdm
from card_bridge.protocol.selftest.values import Values, told
from card_bridge.protocol.status import CardError


def agrees(vector: Values) -> bool:
    """Whether this machine gives the figures of a vector whose kind is in `RUN`.

    Raises LookupError, TypeError or ValueError for what is no vector.
    """
    expected = vector["expected"]
    try:
        found = told(RUN[vector["kind"]](vector["in"]))
    except (AssertionError, CardError):
        return False
    return bool(expected) and {name: found[name] for name in expected} == expected


RUN: Mapping[str, Callable[[Values], Values]] = {
    "cmac": ev2.run_cmac,
    "cmac_subkeys": ev2.run_subkeys,
    "an10922_aes128": ev2.run_diversification,
    "ev2_auth_first": ev2.run_authentication,
    "ev2_auth_nonfirst": ev2.run_authentication,
    "ev2_session_keys": ev2.run_session_keys,
    "ev2_iv": ev2.run_iv,
    "ev2_cmd_mac": ev2.run_command_mac,
    "ev2_resp_mac": ev2.run_response_mac,
    "ev2_full_cmd": ev2.run_full_command,
    "ev2_full_resp": ev2.run_full_response,
    "ev2_session_then_read_mac": lambda g: ev2.run_session_then_read(g, CommMode.MAC),
    "ev2_session_then_read_full": lambda g: ev2.run_session_then_read(g, CommMode.FULL),
    "ev2_changekey": ev2.run_change_key,
    "tmac_session_keys": ev2.run_tmac_keys,
    "tmac_tmv": ev2.run_tmv,
    "tmac_reader_id": ev2.run_reader_id,
    "sdm_session_keys": sdm.run_sdm_keys,
    "sdm_sun": sdm.run_sun,
    "sdm_encfile": sdm.run_sdm_file,
    "ecdsa_p224_uid": sdm.run_originality,
    "ev1_auth_aes": ev1.run_ev1_authentication,
    "ev1_seq": ev1.run_ev1_sequence,
    "ev1_changekey": ev1.run_ev1_change_key,
    "ev1_transcript": ev1.run_ev1_transcript,
}
