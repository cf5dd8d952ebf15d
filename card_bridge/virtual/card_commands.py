"""Commands on the card and its applications: who is it, which keys has it?"""

import hmac
from dataclasses import replace

from card_bridge.protocol.cmac import xor
from card_bridge.protocol.crc import crc32
from card_bridge.protocol.creation import CHANGE_KEY, KEYS_AES, USE_RANDOM_ID
from card_bridge.protocol.secure_messaging import CommMode, SecureChannel
from card_bridge.protocol.status import Status
from card_bridge.virtual.core import MASTER, Core
from card_bridge.virtual.files import (
    Refused,
)
from card_bridge.virtual.session import Challenge, Ev1Challenge
from card_bridge.virtual.state import (
    FREE_LISTING,
    KEY_LENGTH,
    MASTER_KEY_CHANGEABLE,
    ROOT,
    UID_LENGTH,
    Key,
)

# NXP, DESFire, 8K; by generation.
_VERSION_HARDWARE = {
    1: bytes.fromhex("04010101001a05"),
    3: bytes.fromhex("04010133001a05"),
}
_VERSION_SOFTWARE = {
    1: bytes.fromhex("04010101041a05"),
    3: bytes.fromhex("04010103001a05"),
}
_PRODUCTION = bytes(7)  # Batch number, week and year: of no production line.
_CHANGE_BY_MASTER, _CHANGE_BY_ITSELF, _CHANGE_NEVER = 0x0, 0xE, 0xF
_RND_LENGTH = 16


class CardCommands(Core):
    def select_application(self, ins: int, payload: bytes) -> bytes:
        if len(payload) != len(ROOT):
            raise Refused(Status.LENGTH_ERROR)
        self.volatile.forget_session()
        self.volatile.aid = ROOT
        if payload not in self.state.applications:
            raise Refused(Status.APPLICATION_NOT_FOUND)
        self.volatile.aid = payload
        return b""

    def authenticate_first(self, ins: int, payload: bytes) -> bytes:
        """Return E(K, RndB); the challenge then waits for part 2."""
        if len(payload) < 2 or len(payload) != 2 + payload[1] or payload[1] > 6:
            raise Refused(Status.LENGTH_ERROR)
        self.volatile.forget_session()
        return self._challenge(payload[0], capabilities=payload[2:])

    def authenticate_non_first(self, ins: int, payload: bytes) -> bytes:
        if len(payload) != 1:
            raise Refused(Status.LENGTH_ERROR)
        if self.session is None or not isinstance(self.session.channel, SecureChannel):
            raise Refused(Status.PERMISSION_DENIED)
        channel = self.session.channel
        return self._challenge(payload[0], capabilities=b"", continued=channel)

    def authenticate_aes(self, ins: int, payload: bytes) -> bytes:
        """As EV1 cards do it, and newer ones for readers that know nothing else."""
        if len(payload) != 1:
            raise Refused(Status.LENGTH_ERROR)
        self.volatile.forget_session()
        challenge = Ev1Challenge(
            key_no=payload[0],
            key=self.application.key(payload[0]).value,
            rnd_b=self.random(_RND_LENGTH),
        )
        self.volatile.challenge = challenge
        return challenge.enc_rnd_b()

    def finish_authentication(self, part2: bytes) -> bytes:
        challenge, self.volatile.challenge = self.volatile.challenge, None
        if challenge is None:
            raise Refused(Status.ILLEGAL_COMMAND_CODE)
        self.volatile.session, answer = challenge.finish(part2, self.random)
        return answer

    def get_version(self, ins: int, payload: bytes) -> bytes:
        self._open(ins, payload, header=0)
        uid = bytes(UID_LENGTH) if self.state.random_id else self.state.uid
        production = uid + _PRODUCTION
        generation = self.state.generation
        hardware, software = (
            _VERSION_HARDWARE[generation],
            _VERSION_SOFTWARE[generation],
        )
        return self._seal(hardware + software + production)

    def read_signature(self, ins: int, payload: bytes) -> bytes:
        """MF2DLHX0, 11.9.1; a card that was made without one knows no such command."""
        if not self.state.signature:
            raise Refused(Status.ILLEGAL_COMMAND_CODE)
        address, _ = self._open(ins, payload, header=1)
        if address != b"\x00":
            raise Refused(Status.PARAMETER_ERROR)
        return self._seal(self.state.signature, CommMode.FULL)

    def set_configuration(self, ins: int, payload: bytes) -> bytes:
        """Option 00h alone: the random UID, which is never taken back."""
        self._at_root()
        if self.session is None:
            raise Refused(Status.AUTHENTICATION_ERROR)
        self._master_or(0)
        option, data = self._open(ins, payload, header=1, data=1, mode=CommMode.FULL)
        if option != b"\x00" or data[0] & ~USE_RANDOM_ID:
            raise Refused(Status.PARAMETER_ERROR)
        hidden = self.state.random_id or bool(data[0] & USE_RANDOM_ID)
        self.state = replace(self.state, random_id=hidden)
        return self._seal()

    def get_card_uid(self, ins: int, payload: bytes) -> bytes:
        if self.session is None:
            raise Refused(Status.AUTHENTICATION_ERROR)
        self._open(ins, payload, header=0)
        return self._seal(self.state.uid, CommMode.FULL)

    def free_memory(self, ins: int, payload: bytes) -> bytes:
        self._open(ins, payload, header=0)
        return self._seal(self.state.memory_free.to_bytes(3, "little"))

    def get_file_ids(self, ins: int, payload: bytes) -> bytes:
        application = self._in_application()
        self._master_or(FREE_LISTING)
        self._open(ins, payload, header=0)
        return self._seal(bytes(sorted(application.files)))

    def get_key_version(self, ins: int, payload: bytes) -> bytes:
        header, _ = self._open(ins, payload, header=1)
        return self._seal(bytes([self.application.key(header[0]).version]))

    def change_key(self, ins: int, payload: bytes) -> bytes:
        if self.session is None:
            raise Refused(Status.AUTHENTICATION_ERROR)
        if not payload:
            raise Refused(Status.LENGTH_ERROR)
        number = payload[0] & ~KEYS_AES if self.volatile.aid == ROOT else payload[0]
        old = self.application.key(number)
        self._may_change(number, by=self.session.key_no)
        own = number == self.session.key_no
        data = self.session.open_change_of_key(
            CHANGE_KEY, payload, KEY_LENGTH + 1, own=own
        )
        value, version, check = data[:KEY_LENGTH], data[KEY_LENGTH], data[17:]
        if not own:
            value = xor(value, old.value)
            if not hmac.compare_digest(check, crc32(value)):
                raise Refused(Status.INTEGRITY_ERROR)
        application = self.application.with_key(number, Key(value, version))
        self.state = self.state.with_application(self.volatile.aid, application)
        if own:  # The answer is the bare status, the session is over.
            self.volatile.forget_session()
        return self._seal()

    def _challenge(
        self,
        number: int,
        *,
        capabilities: bytes,
        continued: SecureChannel | None = None,
    ) -> bytes:
        key = self.application.key(number).value
        self.volatile.session = None
        challenge = Challenge(
            key_no=number,
            key=key,
            rnd_b=self.random(_RND_LENGTH),
            reader_capabilities=capabilities,
            continued=continued,
        )
        self.volatile.challenge = challenge
        return challenge.enc_rnd_b()

    def _may_change(self, number: int, *, by: int) -> None:
        """MF2DLHX0, 8.2.3.5: who may change which key."""
        assert self.session is not None
        settings, by = self.application.settings, self.session.key_no
        changer = settings >> 4
        if number == MASTER:
            allowed = by == MASTER and bool(settings & MASTER_KEY_CHANGEABLE)
        elif changer == _CHANGE_NEVER:
            allowed = False
        elif changer == _CHANGE_BY_ITSELF:
            allowed = by == number
        else:
            allowed = by == (_CHANGE_BY_MASTER if number == changer else changer)
        if not allowed:
            raise Refused(Status.PERMISSION_DENIED)
