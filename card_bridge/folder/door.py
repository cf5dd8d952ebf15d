"""The one way to a medium's files: every call of the system passes here, by its name.

Names are ours and fixed; nothing that stands on a medium ever becomes a path. Whatever
is no plain file of this very volume (a link, a pipe, another file system) is not read.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from card_bridge.folder.refusals import FolderBusy, FolderGone, said_of
from ledger.vocabulary.medium_record import MalformedRecord

SECTOR = 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A pipe in the place of a file would keep its reader waiting.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_FILE_OF_OURS = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR})

# Called before each call of the system, with the call's name and its file's.
Before = Callable[[str, str], None]
_T = TypeVar("_T")


class Door:
    """One folder of a mounted volume, held by one program alone; use it in a `with`.

    Raises `CardError` for what the system refuses, and `MalformedRecord` for what is
    no file of ours.
    """

    def __init__(
        self, root: Path, name: str, *, before: Before = lambda _call, _file: None
    ) -> None:
        self.root = root
        self._name = name
        self._before = before
        self._handles: list[int] = []
        with self._words():
            self._root = self._held(os.open(root, _FOLDER))
            self.device = os.fstat(self._root).st_dev
        self._here: int | None = None
        try:
            self._lock()
            self._here = self._own_folder()
        except BaseException:
            self.close()
            raise

    def make_folder(self) -> None:
        """Make our folder, unless it is there."""
        if self._here is not None:
            return
        with self._words():
            self._call("mkdir", ".", lambda: os.mkdir(self._name, dir_fd=self._root))
            self._call("fsync", ".", lambda: os.fsync(self._root))
        self._here = self._own_folder()

    def read(self, file: str, *, most: int) -> bytes | None:
        """Return a file's bytes, at most so many; None if it is not there."""
        if self._here is None:
            return None
        with self._words(reading=True), self._opened(file) as handle:
            if handle is None:
                return None
            return self._call("read", file, lambda: _all_of(handle, most))

    def write(self, file: str, raw: bytes) -> None:
        """Make a file anew; it is on the medium when this returns, its name may not."""
        with self._words():
            self._call("unlink", file, lambda: self._unlink(file))
            handle = self._call(
                "create", file, lambda: os.open(file, _WRITE, 0o644, dir_fd=self._at())
            )
            try:
                for start in range(0, len(raw), SECTOR):
                    self._before("write", file)
                    _put(handle, raw[start : start + SECTOR])
                self._call("fsync", file, lambda: os.fsync(handle))
            finally:
                os.close(handle)

    def rename(self, old: str, new: str) -> None:
        """Put one file in another's place; it is so for good after `flush`."""
        with self._words():
            at = self._at()
            self._call(
                "rename", new, lambda: os.rename(old, new, src_dir_fd=at, dst_dir_fd=at)
            )

    def flush(self, *files: str) -> None:
        """Have these files, and all names, on the medium, whoever wrote them."""
        with self._words():
            for file in files:
                with self._opened(file) as handle:
                    if handle is not None:
                        self._before("fsync", file)
                        os.fsync(handle)
            self._call("fsync", ".", lambda: os.fsync(self._at()))

    def close(self) -> None:
        """Let the folder go; a second time does nothing."""
        while self._handles:
            os.close(self._handles.pop())
        self._here = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderBusy(self.root) from None
        except OSError as error:
            raise said_of(error, self.root) from None

    def _own_folder(self) -> int | None:
        """Open our folder: a plain one, on the same volume as the root."""
        with self._words(reading=True):
            try:
                flags = _FOLDER | os.O_NOFOLLOW
                opened = self._held(os.open(self._name, flags, dir_fd=self._root))
            except FileNotFoundError:
                return None
            if os.fstat(opened).st_dev != self.device:
                raise MalformedRecord(f"{self._name} is on another volume")
            return opened

    @contextmanager
    def _opened(self, file: str) -> Iterator[int | None]:
        """Open a plain file for reading, if it is there."""
        try:
            handle = os.open(file, _READ, dir_fd=self._at())
        except FileNotFoundError:
            yield None
            return
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_dev != self.device:
                raise MalformedRecord(f"{file} is no plain file of this medium")
            yield handle
        finally:
            os.close(handle)

    def _unlink(self, file: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(file, dir_fd=self._at())

    def _call(self, call: str, file: str, do: Callable[[], _T]) -> _T:
        self._before(call, file)
        return do()

    def _at(self) -> int:
        if self._here is None:
            raise FolderGone(self.root)
        return self._here

    def _held(self, handle: int) -> int:
        self._handles.append(handle)
        return handle

    @contextmanager
    def _words(self, *, reading: bool = False) -> Iterator[None]:
        """Say what the system refuses in our own words."""
        try:
            yield
        except OSError as error:
            if reading and error.errno in _NO_FILE_OF_OURS:
                raise MalformedRecord("a file of the medium is none of ours") from None
            raise said_of(error, self.root) from None


def _all_of(handle: int, most: int) -> bytes:
    """Read to the end. Raises `MalformedRecord` for a file that is too long."""
    raw = b""
    while len(raw) <= most:
        part = os.read(handle, most + 1 - len(raw))
        if not part:
            return raw
        raw += part
    raise MalformedRecord("a file of the medium is too long")


def _put(handle: int, part: bytes) -> None:
    while part:
        part = part[os.write(handle, part) :]
