"""Settings by node: `lr={"head": 0.01, "*": 0.001}`, and what names in it mean; freezing names parameters in the same way.

A name is the id of a node (with all that is inside of it), a parameter (`linear.bias`), a pattern with `*`, `?` or `[...]`
over either, or a kind: `":bias"` are the biases, `":norm"` all that norms have. The numbers of repeated blocks may be left out:
`block.linear` is that layer in every one. Of several names that fit, the most exact one counts: one without wildcard before a
kind, that before a pattern, `"*"` last, and the longer before the shorter.
Neighbours: the optimizers below ask for groups of parameters; the callback `unfreeze` asks for names.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import attrs
import torch

from pipeops.errors import ConfigError, listing, suggest
from pipeops.params import UNSET, Param, real

KINDS = (":bias", ":norm")


class ByNode(Param):
    """A number, or numbers by name."""

    annotated = "float | dict[str, float]"

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, Mapping):
            return super().problem(value)
        number = super().problem
        wrong = [f"of {n!r} {found}" for n, v in value.items() if (found := number(v))]
        return wrong[0] if wrong else None if value else "must name a node"


def by_node(low: float | None = None, high: float | None = None, *, default: Any) -> Any:
    """A number in [low, high], or such numbers by node."""
    field = real(low, high, default=default)
    field.metadata["param"] = ByNode(**attrs.asdict(field.metadata["param"], recurse=False))
    return field


class ParameterNames:
    """The parameters of a network (and its loss), and what names stand for."""

    def __init__(self, network: torch.nn.Module, who: str):
        self.who, self.params = who, dict(network.named_parameters())
        norms = [m for m in network.modules() if "Norm" in type(m).__name__]
        self.normed = {id(p) for norm in norms for p in norm.parameters(recurse=False)}

    def nodes(self) -> list[str]:
        """The ids of the nodes that have parameters."""
        return list(dict.fromkeys(name.split(".")[0] for name in self.params))

    def fits(self, pattern: str, name: str) -> bool:
        """Whether a name in a setting stands for this parameter."""
        if pattern == ":norm":
            return id(self.params[name]) in self.normed
        if pattern == ":bias":
            return name.rpartition(".")[2].startswith("bias")
        parts = name.split(".")
        plain = [part for part in parts if not part.isdigit()]
        return any(fnmatchcase(".".join(way[: k + 1]), pattern) for way in (parts, plain) for k in range(len(way)))

    def chosen(self, patterns: Iterable[str], what: str) -> dict[str, list[str]]:
        """The parameters for which each name stands; a name that stands for none is refused."""
        found = {pattern: [name for name in self.params if self.fits(pattern, name)] for pattern in patterns}
        for pattern, names in found.items():
            if not names and pattern not in (*KINDS, "*"):
                near = suggest(pattern, [*self.nodes(), *self.params])
                raise ConfigError(
                    f"{self.who}: {what} names '{pattern}', which no node with parameters is called."
                    f"{near if 'Did you mean' in near else ''} The nodes are: {listing(self.nodes(), 20)}."
                )
        return found

    def values(self, setting: Mapping[str, Any], what: str) -> dict[str, Any]:
        """The value for each parameter that a name of the setting stands for."""
        found = self.chosen(setting, what)
        return {name: setting[p] for p in sorted(setting, key=_exactness) for name in found[p]}


def _exactness(pattern: str) -> tuple[int, int]:
    """Higher for names that say more exactly which parameters they mean."""
    literal = len(re.sub(r"\[[^]]*\]|[*?]", "", pattern))
    if pattern in KINDS:
        return 2, 0
    if any(letter in pattern for letter in "*?["):
        return (1 if literal else 0), literal
    return 3, literal


def grouped(
    names: ParameterNames, settings: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Torch's groups of parameters, each with the settings that differ by node; defaults: of those that no name speaks of."""
    by_param = {what: names.values(setting, what) for what, setting in settings.items()}
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, param in names.params.items():
        own = {what: values.get(name, defaults[what]) for what, values in by_param.items()}
        for what, value in own.items():
            if value is UNSET:
                raise ConfigError(f"{names.who}: {what} says nothing of '{name}' and has no default; add '*' for all others.")
        groups.setdefault(tuple(map(repr, own.values())), {"params": [], **own})["params"].append(param)
    return list(groups.values())
