"""Vectors of Secure Dynamic Messaging and of the originality signature."""

from card_bridge.protocol import sdm
from card_bridge.protocol.originality import is_original
from card_bridge.protocol.selftest.values import Values, raw


def run_sdm_keys(given: Values) -> Values:
    read = sdm.PiccData(raw(given, "uid"), given["ctr"])
    sv1, sv2 = sdm.session_vectors(read)
    keys = sdm.session_keys(raw(given, "key"), read)
    return {"sv1": sv1, "sv2": sv2, "enc": keys.enc, "mac": keys.mac}


def run_sun(given: Values) -> Values:
    plain = sdm.opened_picc_data(raw(given, "meta_key"), raw(given, "picc"))
    read = sdm.picc_data(plain)
    keys = sdm.session_keys(raw(given, "file_key"), read)
    return {
        "plain": plain,
        "uid": read.uid,
        "ctr": read.counter,
        "ses_mac": keys.mac,
        "mact": keys.mact(raw(given, "macinput")),
    }


def run_sdm_file(given: Values) -> Values:
    read = sdm.PiccData(raw(given, "uid"), given["ctr"])
    keys = sdm.session_keys(raw(given, "key"), read)
    return {"plain": keys.file_data(given["ctr"], raw(given, "enc"))}


def run_originality(given: Values) -> Values:
    maker = raw(given, "pub")
    return {"valid": is_original(raw(given, "uid"), raw(given, "sig"), maker=maker)}
