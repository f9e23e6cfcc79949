"""A module that is made already, as a value: copied where a network is made, and saved by its structure and its tensors.

In a file a module is its class, its plain attributes, its tensors and its parts. Classes of torch are named in a table, others
must be handed in (`trust=`); none is called when a file is loaded. Neighbours: `nn("module")` and `nn("fn")` hold these.
"""

import copy
from typing import Any

import attrs
import torch
from torch import nn

from pipeops.errors import FormatError
from pipeops.saving import saved_as

INNER = frozenset(vars(nn.Module()))
SIZE = 1 << 16
"""Whole numbers up to this may stand in a module without a tensor of that size."""
FLAT = ("_flat_weights", "_flat_weight_refs")
"""What recurrent layers keep beside their parameters, and make again of them."""


@attrs.frozen(eq=False, repr=False)
class GivenModule:
    """A module as it was given. `copy()` is a new one with its weights, on the device where things are made."""

    module: nn.Module

    def copy(self) -> nn.Module:
        """A copy of the module."""
        return copy.deepcopy(self.module).to(torch.get_default_device())

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.module(*inputs)

    def __repr__(self) -> str:
        return repr(self.module)


def kept(thing: Any) -> Any:
    """The module as a value; anything else as it is."""
    return GivenModule(thing) if isinstance(thing, nn.Module) else thing


def _to_plain(value: GivenModule) -> dict[str, Any]:
    module = value.module
    if len(list(module.parameters())) < len(list(module.named_parameters(remove_duplicate=False))):
        raise FormatError(f"save: {type(module).__name__} has a parameter at two places; give a function that makes it.")
    held = {n: v for n, v in vars(module).items() if n not in INNER and n not in FLAT}
    loose = module._non_persistent_buffers_set
    return {
        "class": type(module),
        "attributes": held,
        "parameters": {n: None if p is None else p.detach() for n, p in module._parameters.items()},
        "trained": [n for n, p in module._parameters.items() if p is not None and p.requires_grad],
        "buffers": {n: b for n, b in module._buffers.items() if n not in loose},
        "loose": {n: b for n, b in module._buffers.items() if n in loose},
        "modules": {n: kept(m) for n, m in module._modules.items()},
        "training": module.training,
    }


def _from_plain(plain: dict[str, Any]) -> GivenModule:
    cls = plain["class"]
    if not issubclass(cls, nn.Module):
        raise FormatError(f"load: {cls.__name__} is no class of modules.")
    module: Any = cls.__new__(cls)
    nn.Module.__init__(module)
    for name, value in plain["attributes"].items():
        taken = name in INNER or hasattr(nn.Module, name) or callable(getattr(cls, name, None))
        if taken or not name.isidentifier() or name.startswith("__"):
            raise FormatError(f"load: a {cls.__name__} cannot have {name[:80]!r} put in its place.")
        vars(module)[name] = value
    for name, tensor in plain["parameters"].items():
        module._parameters[name] = None if tensor is None else nn.Parameter(tensor, name in plain["trained"])
    module._buffers.update(plain["buffers"] | plain["loose"])
    module._non_persistent_buffers_set = set(plain["loose"])
    module._modules.update({n: None if m is None else m.module for n, m in plain["modules"].items()})
    module.training = plain["training"]
    _check_sizes(module)
    if isinstance(module, nn.RNNBase):
        module._init_flat_weights()
    return GivenModule(module)


def _check_sizes(module: nn.Module) -> None:
    """Refuse whole numbers that let a module ask for memory that its tensors do not explain."""
    limit = max(SIZE, *(t.numel() for t in module.state_dict().values()), 0)
    for name, value in vars(module).items():
        if name not in INNER and any(isinstance(n, int) and abs(n) > limit for n in _flat(value)):
            raise FormatError(f"load: {name[:80]!r} of a {type(module).__name__} is larger than what it holds.")
    if isinstance(module, nn.RNNBase) and module.num_layers * (1 + module.bidirectional) > len(module._parameters):
        raise FormatError(f"load: a {type(module).__name__} of {module.num_layers} layers has no weights for them.")


def _flat(value: Any) -> list[Any]:
    return [inner for one in value for inner in _flat(one)] if isinstance(value, list | tuple) else [value]


saved_as(
    GivenModule,
    _from_plain,
    _to_plain,
    plain={
        "class": type,
        "attributes": dict[str, Any],
        "parameters": dict[str, torch.Tensor | None],
        "trained": list[str],
        "buffers": dict[str, torch.Tensor | None],
        "loose": dict[str, torch.Tensor | None],
        "modules": dict[str, GivenModule | None],
        "training": bool,
    },
)
