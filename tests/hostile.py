"""Files as an attacker would write them: any content, with a checksum that fits; and mutations of files that are sound."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from pipeops.saving.container import digest

Json = Any
Change = Callable[[dict[str, Any]], object]


def packed(spec: Json, arrays: Mapping[str, np.ndarray]) -> bytes:
    """A file of this JSON (or text) and these arrays."""
    text = spec if isinstance(spec, str) else json.dumps(spec)
    return save(dict(arrays), metadata={"pipeops": text, "sha256": digest(text, arrays)})


def crafted(value: Json, arrays: Mapping[str, np.ndarray] | None = None, kind: str = "learner", format: int = 2) -> bytes:
    """A file that holds one value."""
    return packed({"format": format, "kind": kind, "versions": {}, "value": value}, arrays or {})


def unpacked(file: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """JSON and arrays of a file."""
    size = int.from_bytes(file[:8], "little")
    return json.loads(json.loads(file[8 : 8 + size])["__metadata__"]["pipeops"]), load(file)


def altered(file: bytes, change: Change) -> bytes:
    """The file with another specification."""
    spec, arrays = unpacked(file)
    change(spec)
    return packed(spec, arrays)


def places(value: Json) -> Iterator[tuple[Any, Any]]:
    """Every place in some JSON: what holds it and where."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from places(inner)


def found(spec: Json, wanted: Callable[[Any], bool]) -> Any:
    """The first entry of some kind."""
    return next(holder[key] for holder, key in places({"": spec}) if isinstance(holder[key], dict) and wanted(holder[key]))


ODD = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, float("inf"), "", "a", "x" * 5000,
    "__class__", "os:system", "\x00", "../../etc/passwd", [], {}, [[]], [None] * 50, {"$": "tuple", "of": []}, {"$": "unset"},
    {"$": "name", "of": "os:system"}, {"$": "float", "of": "nan"}, {"$": "array", "of": "a0"}, {"$": "AutoId", "of": "id"},
    {"$": "torch_class", "of": "torch.optim.adam:Adam"}, {"$": "item", "shelf": "po", "key": "nop", "of": {}},
    {"a": {"b": [1, 2, {"c": 3}]}},
]  # fmt: skip


def mutant(file: bytes, rng: random.Random) -> bytes:
    """The file with one to three things changed: a value, a name, a tag, an entry, a character, an array."""
    spec, arrays = unpacked(file)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if arrays and rng.random() < 0.25:
            _other_array(arrays, rng)
        else:
            _other_entry(spec, rng)
    text = json.dumps(spec)
    if rng.random() < 0.1:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice('{}[]",:0a\\e-') + text[at + 1 :]
    return packed(text, arrays)


def _other_entry(spec: dict[str, Any], rng: random.Random) -> None:
    """Change what stands at some place of the JSON, or the name of the place."""
    all_of_them = list(places(spec))
    holder, key = rng.choice(all_of_them)
    kind = rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, at = rng.choice(all_of_them)
        holder[key] = json.loads(json.dumps(other[at] if (at in other if isinstance(other, dict) else at < len(other)) else None))
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice(["$", "of", "class", "id", "key", "__dict__", "model", "state", "graph"])] = holder.pop(key)
    elif kind == 3 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif kind == 4 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = rng.choice([-holder[key], holder[key] + 1, holder[key] * 10**6, holder[key] / 3])
    else:
        holder[key] = rng.choice(ODD)


def _other_array(arrays: dict[str, np.ndarray], rng: random.Random) -> None:
    """Change an array: its values, shape, type, name, or take it away."""
    name = rng.choice(sorted(arrays))
    array, kind = arrays[name].copy(), rng.randrange(6)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = array.reshape(-1)[: rng.randrange(array.size + 1)]
    elif kind == 2:
        arrays[name] = np.ascontiguousarray(array.T)
    elif kind == 3:
        arrays[name] = array.astype(rng.choice([np.int8, np.int64, np.float16, np.float32, np.float64, np.bool_]))
    elif kind == 4 and array.size and array.dtype.kind == "f":
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice([np.nan, np.inf, -np.inf, 0.0, 3e38])
        arrays[name] = array
    elif array.size:
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice([0, 1, -1, 100]) if array.dtype.kind != "u" else 0
        arrays[name] = array
