"""Writing to disk: the one way in which anything of this package becomes a file, whole or not at all.

Whoever is killed, runs out of space or writes at the same time as another leaves the old file or the new one, never a part
of one. Neighbours: saving makes the bytes, the store of benchmarks writes its folder with it; nothing below but errors.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from pipeops.errors import WriteError


def write_bytes(path: str | Path, data: bytes | bytearray | memoryview) -> None:
    """Write a file in one step: until it is complete and on the disk, what was there under this name stays.

    The bytes go to a temporary file beside the real place (links are followed), which takes that place when they are
    flushed to the disk. A file that was there keeps its mode; it must be one that may be written to. Raises `WriteError`,
    with the old file intact and the temporary one removed, when the disk is full or a limit of size is reached.

    >>> write_bytes("model.bin", b"1234")
    >>> Path("model.bin").read_bytes()
    b'1234'
    """
    real = Path(os.path.realpath(path))
    try:
        _replace(real, data)
    except OSError as error:
        before = "; the file that was there is as it was" if real.is_file() else ""
        raise WriteError(f"cannot write {path}: {error.strerror or error}{before}.", error.errno) from error


def _replace(real: Path, data: bytes | bytearray | memoryview) -> None:
    old = _status(real)
    part = real.with_name(f".{real.name[:40]}.{secrets.token_hex(8)}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666 if old is None else old.st_mode)
    try:
        with os.fdopen(file, "wb") as stream:
            if old is not None:
                _resemble(part, old)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, real)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(real.parent)


def _status(real: Path) -> os.stat_result | None:
    """What is known of the file in this place; None where there is none. Only a file that may be written to is replaced."""
    if not real.exists():
        return None
    if not real.is_file():
        raise OSError(f"{real} is no regular file")
    if not os.access(real, os.W_OK):
        raise PermissionError(f"{real} is write-protected")
    return real.stat()


def _resemble(part: Path, old: os.stat_result) -> None:
    """Give the temporary file the owner, where that is allowed, and the mode of the one that it replaces."""
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(part, old.st_uid, old.st_gid)
    os.chmod(part, stat.S_IMODE(old.st_mode))


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too. Some systems know no such thing; the file is complete either way."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
