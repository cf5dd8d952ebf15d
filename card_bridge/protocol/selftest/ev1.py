"""Vectors of EV1: messages in turn, and conversations recorded from real cards."""

from collections.abc import Iterator, Set

from card_bridge.protocol.cmac import cbc_decrypt
from card_bridge.protocol.conversation import ADDITIONAL_FRAME
from card_bridge.protocol.crc import crc32
from card_bridge.protocol.creation import CHANGE_KEY, over_the_old
from card_bridge.protocol.ev1_aes import AUTHENTICATE_AES, Ev1Channel, Ev1Handshake
from card_bridge.protocol.ev2_auth import rotated
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.selftest.values import Values, raw
from card_bridge.protocol.status import Status

# What stands in clear before the cryptogram of a command.
HEADER_LENGTH = {CHANGE_KEY: 1, 0x3D: 7}


def run_ev1_authentication(given: Values) -> Values:
    begun = Ev1Handshake.begin(
        key=raw(given, "key"),
        rnd_a=raw(given, "rnda"),
        enc_rnd_b=raw(given, "enc_rndb"),
    )
    return {"part2": begun.part2(), "session": begun.finish(raw(given, "resp"))}


def run_ev1_sequence(given: Values) -> Values:
    """A session's messages in turn, each beginning where the one before ended."""
    session = Ev1Channel(raw(given, "session"))
    for step in given["steps"]:
        header, data = raw(step, "header"), raw(step, "data")
        match step["op"]:
            case "full_cmd":
                cmd = int(step["cmd"], 16)
                sealed = session.seal_command(cmd, header, data, CommMode.FULL)
                assert sealed == raw(step, "wire")
            case "mac_cmd_untx":
                cmd = int(step["cmd"], 16)
                sealed = session.seal_command(cmd, header, b"", CommMode.MAC)
                assert sealed == header
            case "mac_resp":
                answer = data + raw(step, "mac")
                assert session.open_response(0, answer, CommMode.MAC) == data
            case "full_resp":
                opened = session.open_response(0, raw(step, "enc"), CommMode.FULL)
                assert opened == data
            case unknown:
                raise ValueError(f"no step is called {unknown}")
    return {"ok": True}


def run_ev1_change_key(given: Values) -> Values:
    new, key_no = raw(given, "new"), bytes([given["keyno"]])
    own = given["keyno"] == given["authkeyno"]
    data = new + bytes([given["ver"]])
    if not own:
        data = over_the_old(new=new, old=raw(given, "old"), version=given["ver"])
    session = Ev1Channel(raw(given, "session"))
    sealed = session.seal_change_of_key(
        CHANGE_KEY, key_no, data, crc_of_new=b"" if own else crc32(new)
    )
    crc = crc32(bytes([CHANGE_KEY]) + key_no + data)
    return {"crc": crc, "wire": sealed}


def run_ev1_transcript(given: Values) -> Values:
    """A recorded conversation: both sides' proofs are looked at, each as it comes."""
    keys = iter([raw(given, "key"), raw(given, "key2")])
    heard = Ev1Hearing({int(cmd, 16) for cmd in given["full_cmd"]}, keys)
    for command, answer in given["x"]:
        heard.frame(bytes.fromhex(command), bytes.fromhex(answer))
    return {"session": heard.sessions[0], "checks": heard.checks}


class Ev1Hearing:
    """Listens to a conversation whose keys are known, and checks each proof in it."""

    def __init__(self, full: Set[int], keys: Iterator[bytes]) -> None:
        self._full = full
        self._keys = keys
        self._begun: tuple[int, bytes, bytes] | None = None
        self._session: tuple[int, Ev1Channel] | None = None
        self.sessions: list[bytes] = []
        self.checks = 0

    def frame(self, command: bytes, answer: bytes) -> None:
        """Hear one command and its answer; AssertionError where a proof is wrong."""
        cmd, payload, status, body = command[0], command[1:], answer[0], answer[1:]
        if cmd == AUTHENTICATE_AES:
            self._begun = payload[0], next(self._keys), body
        elif cmd == ADDITIONAL_FRAME and self._begun is not None:
            assert status == Status.OPERATION_OK
            self._authenticated(payload, body)
        elif self._session is not None:
            self._commanded(cmd, payload, status, body)

    def _authenticated(self, part2: bytes, answer: bytes) -> None:
        assert self._begun is not None
        (key_no, key, enc_rnd_b), self._begun = self._begun, None
        plain = cbc_decrypt(key, enc_rnd_b, part2)
        begun = Ev1Handshake.begin(key=key, rnd_a=plain[:16], enc_rnd_b=enc_rnd_b)
        assert plain[16:] == rotated(begun.rnd_b)
        session = begun.finish(answer)
        self.sessions.append(session)
        self._session = key_no, Ev1Channel(session)
        self.checks += 1

    def _commanded(self, cmd: int, payload: bytes, status: int, body: bytes) -> None:
        assert self._session is not None
        key_no, channel = self._session
        if cmd in self._full:
            length = HEADER_LENGTH.get(cmd, 0)
            channel.open_command(cmd, payload, length, CommMode.FULL)
        else:
            assert channel.seal_command(cmd, b"", payload, CommMode.PLAIN) == payload
        if cmd == CHANGE_KEY and payload[0] == key_no:
            assert (status, body) == (Status.OPERATION_OK, b"")
            self._session = None
            return
        channel.open_response(status, body, CommMode.MAC)
        self.checks += 1
