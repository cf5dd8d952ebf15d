"""What every command of the card stands on: power, session, rights, transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from card_bridge.protocol.files import FREE, NEVER
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import Status
from card_bridge.protocol.transaction_mac import Operation
from card_bridge.virtual.files import AnyFile, File, Refused
from card_bridge.virtual.session import (
    Challenge,
    Ev1Challenge,
    RandomBytes,
    Session,
)
from card_bridge.virtual.state import ROOT, Application, CardState

MASTER = 0


@dataclass(slots=True)
class Transaction:
    """Changes that wait for the commit, and all that the card has counted since."""

    changed: dict[int, AnyFile] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    reader_id: bytes | None = None  # As CommitReaderID said it.


@dataclass(slots=True)
class Incoming:
    """A command of which further frames are to come."""

    ins: int
    data: bytes
    expected: int


@dataclass(slots=True)
class Volatile:
    """What the card forgets without power."""

    native_framing: bool | None = None  # Fixed by the first frame of an activation.
    aid: bytes = ROOT
    session: Session | None = None
    challenge: Challenge | Ev1Challenge | None = None
    transaction: Transaction = field(default_factory=Transaction)
    incoming: Incoming | None = None
    outgoing: list[bytes] = field(default_factory=list)

    def forget_session(self) -> None:
        self.session = self.challenge = self.incoming = None
        self.outgoing = []
        self.transaction = Transaction()


class Core:
    """A powered chip; `state` is what it keeps."""

    def __init__(self, state: CardState, random: RandomBytes) -> None:
        self.state = state
        self.random = random
        self.volatile = Volatile()

    @property
    def application(self) -> Application:
        return self.state.applications[self.volatile.aid]

    @property
    def session(self) -> Session | None:
        return self.volatile.session

    def _in_application(self) -> Application:
        if self.volatile.aid == ROOT:
            raise Refused(Status.PERMISSION_DENIED)
        return self.application

    def _at_root(self) -> None:
        if self.volatile.aid != ROOT:
            raise Refused(Status.PERMISSION_DENIED)

    def _master_or(self, freedom: int) -> None:
        """Allow key 0, or anyone where the key settings have that freedom's bit."""
        if self.application.settings & freedom:
            return
        if self.session is None:
            raise Refused(Status.AUTHENTICATION_ERROR)
        if self.session.key_no != MASTER:
            raise Refused(Status.PERMISSION_DENIED)

    def _granted(self, file: File, rights: Sequence[int]) -> CommMode:
        """Return the mode that the right gives; no session is AE, a wrong key 9D."""
        if self.session is not None and self.session.key_no in rights:
            return file.comm
        if FREE in rights:
            return CommMode.PLAIN
        if self.session is None and any(right != NEVER for right in rights):
            raise Refused(Status.AUTHENTICATION_ERROR)
        raise Refused(Status.PERMISSION_DENIED)

    def _open(
        self,
        ins: int,
        payload: bytes,
        *,
        header: int,
        data: int = 0,
        mode: CommMode = CommMode.MAC,
    ) -> tuple[bytes, bytes]:
        """Return header and plain data of a command of exactly these lengths."""
        if self.session is not None:
            return self.session.open(ins, payload, header=header, data=data, mode=mode)
        if len(payload) != header + data:
            raise Refused(Status.LENGTH_ERROR)
        return payload[:header], payload[header:]

    def _sealed_length(self, data: int, mode: CommMode) -> int:
        if self.session is None:
            return data
        return self.session.channel.sealed_length(data, mode)

    def _seal(self, data: bytes = b"", mode: CommMode = CommMode.MAC) -> bytes:
        return data if self.session is None else self.session.seal(data, mode)
