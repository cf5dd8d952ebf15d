"""Vectors of AES-CMAC, key diversification, EV2 and the Transaction MAC."""

from card_bridge.protocol import transaction_mac as tm
from card_bridge.protocol.apdu import native
from card_bridge.protocol.cmac import cbc_decrypt, cmac, subkeys, truncated
from card_bridge.protocol.crc import crc32
from card_bridge.protocol.creation import CHANGE_KEY, over_the_old
from card_bridge.protocol.diversify import diversified
from card_bridge.protocol.ev2_auth import (
    Handshake,
    SessionKeys,
    session_keys,
    session_vectors,
)
from card_bridge.protocol.secure_messaging import CommMode, SecureChannel
from card_bridge.protocol.selftest.values import Values, raw
from card_bridge.protocol.transaction_mac import Operation


def channel(given: Values, *, moved: bool = False) -> SecureChannel:
    """The session at the vector's counter; a response's is already moved by one."""
    keys = SessionKeys(
        ti=raw(given, "ti"), enc=raw(given, "enc"), mac=raw(given, "mac")
    )
    return SecureChannel(keys, counter=given["ctr"] - (1 if moved else 0))


def handshake(given: Values) -> Handshake:
    return Handshake.begin(
        key=raw(given, "key"),
        rnd_a=raw(given, "rnda"),
        enc_rnd_b=raw(given, "enc_rndb"),
    )


def run_cmac(given: Values) -> Values:
    return {"cmac": cmac(raw(given, "key"), raw(given, "msg"))}


def run_subkeys(given: Values) -> Values:
    k1, k2 = subkeys(raw(given, "key"))
    return {"k1": k1, "k2": k2}


def run_diversification(given: Values) -> Values:
    return {"key": diversified(raw(given, "master"), raw(given, "m"))}


def run_authentication(given: Values) -> Values:
    begun = handshake(given)
    keys = begun.finish(raw(given, "resp"))
    sv1, sv2 = session_vectors(begun.rnd_a, begun.rnd_b)
    return {
        "rndb": begun.rnd_b,
        "part2": begun.part2(),
        "ti": keys.ti,
        "sv1": sv1,
        "sv2": sv2,
        "enc": keys.enc,
        "mac": keys.mac,
    }


def run_session_keys(given: Values) -> Values:
    keys = session_keys(
        ti=b"",
        key=raw(given, "key"),
        rnd_a=raw(given, "rnda"),
        rnd_b=raw(given, "rndb"),
    )
    return {"enc": keys.enc, "mac": keys.mac}


def run_iv(given: Values) -> Values:
    session = channel(given)
    return {
        "iv": session.command_iv() if given["dir"] == "cmd" else session.response_iv()
    }


def run_command_mac(given: Values) -> Values:
    header, data = raw(given, "header"), raw(given, "data")
    cmd = int(given["cmd"], 16)
    sealed = channel(given).seal_command(cmd, header, data, CommMode.MAC)
    assert sealed.startswith(header + data)
    message = bytes([cmd]) + given["ctr"].to_bytes(2, "little") + raw(given, "ti")
    full = cmac(raw(given, "mac"), message + header + data)
    assert truncated(full) == sealed[-8:]
    return {"mact": sealed[-8:], "full": full}


def run_response_mac(given: Values) -> Values:
    session = channel(given)
    mact = session.response_mac(int(given["rc"], 16), raw(given, "data"))
    reader = channel(given, moved=True)
    assert reader.open_response(0, raw(given, "data") + mact, CommMode.MAC) == b""
    return {"mact": mact}


def run_full_command(given: Values) -> Values:
    header, session = raw(given, "header"), channel(given)
    iv = session.command_iv()
    cmd = int(given["cmd"], 16)
    sealed = session.seal_command(cmd, header, raw(given, "data"), CommMode.FULL)
    opened = session.open_command(cmd, sealed, len(header), CommMode.FULL)
    assert opened == (header, raw(given, "data"))
    return {"iv": iv, "enc": sealed[len(header) : -8], "mact": sealed[-8:]}


def run_full_response(given: Values) -> Values:
    reader = channel(given, moved=True)
    return {"data": reader.open_response(0, raw(given, "resp"), CommMode.FULL)}


def run_session_then_read(given: Values, mode: CommMode) -> Values:
    """The first command of a recorded session: its MAC, and the answer's data."""
    begun = handshake(given)
    keys = session_keys(
        ti=raw(given, "ti"), key=begun.key, rnd_a=begun.rnd_a, rnd_b=begun.rnd_b
    )
    session = SecureChannel(keys, counter=given["ctr"])
    cmd = int(given["cmd"], 16)
    sealed = session.seal_command(cmd, raw(given, "header"), b"", mode)
    data = session.open_response(0, raw(given, "resp"), mode)
    return {"cmd_mact": sealed[-8:], "data": data}


def run_change_key(given: Values) -> Values:
    new, old = raw(given, "new"), raw(given, "old")
    data = over_the_old(new=new, old=old, version=given["ver"]) + crc32(new)
    header = bytes([given["keyno"]])
    sealed = channel(given).seal_command(CHANGE_KEY, header, data, CommMode.FULL)
    return {"crc32nk": crc32(new), "apdu": native(CHANGE_KEY, sealed).encode()}


def run_tmac_keys(given: Values) -> Values:
    mac, enc = tm.session_keys(
        raw(given, "key"), uid=raw(given, "uid"), tmc=given["tmc"]
    )
    return {"mac": mac, "enc": enc}


def run_tmv(given: Values) -> Values:
    tmi = raw(given, "tmi_raw") or tm.transaction_mac_input(
        Operation(
            int(op["cmd"], 16),
            op["file"],
            op["offset"],
            len(op["data"]) // 2,
            bytes.fromhex(op["data"]),
        )
        for op in given.get("ops", ())
    )
    uid, tmc = raw(given, "uid"), given["tmc"]
    return {
        "tmv": tm.transaction_mac_value(raw(given, "key"), uid=uid, tmc=tmc, tmi=tmi)
    }


def run_reader_id(given: Values) -> Values:
    enciphered = tm.encrypted_reader_id(
        raw(given, "key"),
        uid=raw(given, "uid"),
        tmc=given["tmc"],
        previous=raw(given, "tmri_prev"),
    )
    _, enc = tm.session_keys(raw(given, "key"), uid=raw(given, "uid"), tmc=given["tmc"])
    assert cbc_decrypt(enc, bytes(16), enciphered) == raw(given, "tmri_prev")
    return {"enc_tmri": enciphered}
