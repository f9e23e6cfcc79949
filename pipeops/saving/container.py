"""The file: safetensors, whose metadata hold the JSON and a checksum of everything. One guard stands around reading.

The checksum finds damage; it is no signature, and what it guards is checked all the same. Neighbours: encoder, decoder and
`files` below; learners, graphs and results call `write` and `read`.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeops.errors import FormatError
from pipeops.files import write_bytes
from pipeops.saving.decoder import Decoder
from pipeops.saving.encoder import Encoder

FORMAT = 2


def write(path: str | Path, kind: str, value: Any) -> None:
    """Write a value of some kind ("learner", "graph") to a file; what cannot be saved is refused before anything is written."""
    from safetensors.numpy import save

    encoder = Encoder()
    content = {"format": FORMAT, "kind": kind, "versions": versions(), "value": encoder.encode(value)}
    spec = json.dumps(content, allow_nan=False)
    write_bytes(path, save(encoder.arrays, metadata={"pipeops": spec, "sha256": digest(spec, encoder.arrays)}))


def read(path: str | Path, kind: str, trust: Iterable[Any] | Callable[..., Any] = (), of: type = object) -> Any:
    """Read what `write` wrote: an instance of `of`. Whatever is wrong with the file is a `FormatError`.

    trust: a class or function, or several, that may be constructed though they are not registered.
    """
    try:
        arrays, spec = _open(Path(path))
        _check_spec(path, kind, spec)
        value = Decoder(arrays, trust, format=spec["format"]).decode(spec["value"])
    except FormatError as error:
        raise error if str(path) in str(error) else FormatError(f"{error} (in {path})") from error.__cause__
    except Exception as error:
        raise FormatError(f"load: {path} does not fit what is installed or registered here ({_told(error)}).") from error
    if not isinstance(value, of):
        raise FormatError(f"load: {path} says that it holds a {kind}, and holds a {type(value).__name__}.")
    return value


def _told(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) < 500 else text[:500] + "..."


def _check_spec(path: str | Path, kind: str, spec: Any) -> None:
    if not isinstance(spec, dict) or type(spec.get("format")) is not int or spec["format"] < 1:
        raise FormatError(f"load: {path} does not say which format it has.")
    if spec["format"] > FORMAT:
        raise FormatError(f"load: {path} has format {spec['format']}, this version reads up to {FORMAT}; update pipeops.")
    if spec.get("kind") != kind:
        raise FormatError(f"load: {path} holds a {str(spec.get('kind'))[:40]}, not a {kind}.")


def _open(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays and the JSON of a file whose checksum is right."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        raw = path.read_bytes()
        arrays = load(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")]).get("__metadata__", {})
    except OSError as error:
        raise FormatError(f"load: cannot read {path}: {error.strerror}.") from error
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise FormatError(f"load: {path} is truncated or no pipeops file ({_told(error)}).") from error
    spec = header.get("pipeops", "")
    if not spec or header.get("sha256") != digest(spec, arrays):
        raise FormatError(f"load: {path} was altered or is no pipeops file: its checksum does not match.")
    return arrays, json.loads(spec, parse_constant=_no_number)


def _no_number(name: str) -> None:
    raise FormatError(f"load: {name} stands in the file where a number should.")


def digest(spec: str, arrays: Mapping[str, np.ndarray]) -> str:
    """The checksum of a file's JSON and arrays."""
    digest = hashlib.sha256(spec.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """The versions of the packages that a saved file was written with."""
    from importlib import metadata  # 20 ms that only saving needs

    own = sys.modules["pipeops"].__version__
    return {"pipeops": own, **{name: metadata.version(name) for name in ("torch", "numpy", "narwhals")}}
