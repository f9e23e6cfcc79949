"""Files of public data sets: looked up, downloaded once, checked and unpacked.

They are looked for in `$PIPEOPS_DATA/<name>`, then in the cache folder; what is in neither is downloaded into the cache, through
a file beside its place that is moved there when it is whole. Neighbours: `pictures` makes tasks of them.
"""

import hashlib
import os
import shutil
import tarfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import attrs

from pipeops.data.datasets import cache_folder
from pipeops.errors import DataError


@attrs.frozen
class Remote:
    """One file to download. name: of the file; unpacked: of the folder that an archive holds; md5: of the file."""

    name: str
    url: str
    md5: str = ""
    unpacked: str = ""


def located(dataset: str, remote: Remote) -> Path:
    """Where a file, or the folder in an archive, is on this machine; downloaded where it is not."""
    wanted = remote.unpacked or remote.name
    folders = [Path(os.environ["PIPEOPS_DATA"])] if "PIPEOPS_DATA" in os.environ else []
    for folder in (*folders, cache_folder()):
        for name in (wanted, wanted.removesuffix(".gz")):
            if (folder / dataset / name).exists():
                return folder / dataset / name
    return _downloaded(dataset, remote, cache_folder() / dataset)


def _downloaded(dataset: str, remote: Remote, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{os.getpid()}.{remote.name}"
    try:
        with urllib.request.urlopen(remote.url, timeout=60) as answer, partial.open("wb") as file:
            shutil.copyfileobj(answer, file)
        _check(partial, remote)
        return _unpacked(partial, remote, folder) if remote.unpacked else partial.replace(folder / remote.name)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(
            f"The data set '{dataset}' is neither in $PIPEOPS_DATA/{dataset} nor in {folder}, and downloading it failed "
            f"({type(error).__name__}: {error}). Put {remote.unpacked or remote.name} there, from {remote.url}."
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def _check(path: Path, remote: Remote) -> None:
    if remote.md5 and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != remote.md5:
        raise OSError(f"{remote.url} is not the file that it was (its MD5 is not {remote.md5})")


def _unpacked(archive: Path, remote: Remote, folder: Path) -> Path:
    """The folder in an archive, moved to its place when all of it is there."""
    beside = folder / f".{os.getpid()}.unpacked"
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as held:
                held.extractall(beside)
        else:
            with tarfile.open(archive) as held:
                held.extractall(beside, filter="data")
        source: Any = beside / remote.unpacked
        return (source if source.exists() else beside).replace(folder / remote.unpacked)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
