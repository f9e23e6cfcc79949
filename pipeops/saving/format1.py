"""How version 0.1.0 wrote: its entries, told in the words of today, so that one decoder with one vocabulary reads both.

It named classes by their modules, which have moved since; none of these names is ever imported. Neighbours: decoder.
"""

from typing import Any

Entry = dict[str, Any]


def modern(entry: Entry) -> Entry:
    """The entry as it would be written today; what needs no translation as it is."""
    tag = entry.get("$")
    if tag is None:
        return _estimator(entry) or entry
    translate = _ENTRIES.get(tag) if isinstance(tag, str) else None
    return translate(entry) if translate is not None else entry


def _state(entry: Entry) -> Entry:
    """`pipeops.net.state:TorchState` is `TorchState`, wherever it lives today."""
    module, _, name = str(entry["class"]).partition(":")
    if name == "Unset":
        return {"$": "unset"}
    tag = name if module.startswith("pipeops.") else entry["class"]
    return {"$": tag, "of": entry["of"]}


def _instance(entry: Entry) -> Entry:
    package, content = str(entry["class"]).partition(".")[0], entry["of"]
    if package == "pipeops":
        return _state(entry)
    if package == "sklearn":
        return {"$": "estimator", "of": {"class": _last(entry["class"]), "values": content}}
    if package == "torch":
        arguments = {n: v for n, v in content.items() if not n.startswith("_") and n != "training"} | content["_buffers"]
        return {"$": "torch_loss", "of": {"class": {"$": "torch_class", "of": entry["class"]}, "arguments": arguments}}
    return entry


def _name(entry: Entry) -> Entry:
    return {"$": "torch_class", "of": entry["of"]} if str(entry["of"]).startswith("torch.") else entry


def _item(entry: Entry) -> Entry:
    """The rows that a resampling drew were an argument; only tuners hold one, which draw anew."""
    return {**entry, "of": {n: v for n, v in entry["of"].items() if n != "instance"}} if entry["shelf"] == "rsmp" else entry


def _estimator(entry: Entry) -> Entry | None:
    """A scikit-learn estimator was its class, constructor arguments and fitted attributes, or what to fit it on again."""
    if set(entry) == {"estimator"} and isinstance(entry["estimator"], dict):
        return _estimator(entry["estimator"])
    named = entry.get("class")
    if not (isinstance(named, dict) and named.get("$") == "name"):
        return None
    values = {**entry["arguments"], **entry.get("fitted", {})}
    refit = {"refit": entry["refit"]} if "refit" in entry else {}
    return {"$": "estimator", "of": {"class": _last(named["of"]), "values": values, **refit}}


def _last(path: Any) -> str:
    return str(path).rpartition(":")[2]


_ENTRIES = {
    "state": _state,
    "instance": _instance,
    "item": _item,
    "name": _name,
    "tensor": lambda entry: {"$": "tensor", "of": {"dtype": entry["dtype"], "values": {"$": "array", "of": entry["of"]}}},
}
