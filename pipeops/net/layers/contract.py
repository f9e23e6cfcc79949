"""What every layer must satisfy, as functions that raise `AssertionError` and say what is wrong.

`check_layer(key)` runs them all; `pipeops.testing` calls it for everything registered, plugins included.
Neighbours: `layer` below.
"""

import inspect
from typing import Any

import torch

from pipeops.net.layers.against_autograd import agrees
from pipeops.net.layers.layer import Layer
from pipeops.net.layers.signature import visible
from pipeops.net.network.descriptor import Shape, Symbol
from pipeops.net.network.shape import text, traced
from pipeops.net.training.machine import seeded
from pipeops.params import UNSET, hyperparameters
from pipeops.shorthand import nn

SHAPES: dict[int, Shape] = {2: (None, 6), 3: (None, 4, 8), 4: (None, 4, 8, 8), 5: (None, 4, 8, 8, 8)}
LEVELS = (3, 2, 4, 2, 2, 5)
BATCHES = (2, 3, 7)


def example(key: str) -> tuple[Layer, list[Symbol]]:
    """A node with the row's example hyperparameters, and values that it takes."""
    node = nn(key, **nn[key].row.example)
    row = node.row
    shape = SHAPES[row.rank[0]] if row.rank else (None, 4)
    coded = row.takes == torch.int64
    levels = LEVELS if coded else None
    return node, [Symbol(name, None, (), shape, row.takes or torch.float32, levels) for name in row.ins]


def values(symbol: Symbol, batch: int) -> torch.Tensor:
    """Random values of the symbol's shape and type."""
    sizes = [batch if s is None else s for s in symbol.shape]
    if symbol.levels is not None:
        return torch.stack([torch.randint(n, (batch,)) for n in symbol.levels], dim=1)
    return torch.randn(sizes, dtype=symbol.dtype)


def check_signature(key: str) -> None:
    """Every argument of the module is a hyperparameter with the module's default, or inferred."""
    cls: type[Layer] = nn[key]
    own = hyperparameters(cls)
    for name, parameter in visible(cls.row.wraps).items():
        assert name in own or name in cls.row.sizes, f"{key}: the module's argument '{name}' is neither set nor inferred"
        if name in own and name not in cls.row.fields:
            default = UNSET if parameter.default is inspect.Parameter.empty else parameter.default
            assert own[name].default is default or own[name].default == default, f"{key}: default of '{name}'"


def check_shape(key: str) -> None:
    """The said shape and type are the real ones, for three batch sizes."""
    node, symbols = example(key)
    several = node.values(symbols, None)
    assert several[0].spec is not None
    module = several[0].spec.build()
    for batch in BATCHES:
        answer = module(*(values(symbol, batch) for symbol in symbols))
        for said, real in zip(several, answer if len(several) > 1 else [answer], strict=True):
            wanted = tuple(batch if s is None else s for s in said.shape)
            assert tuple(real.shape) == wanted, f"{key}: said {text(said.shape)}, gave {tuple(real.shape)} for a batch of {batch}"
            assert real.dtype == said.dtype, f"{key}: said {said.dtype}, gave {real.dtype}"


def check_shape_rule(key: str) -> None:
    """The row's shape rule agrees with running the module on the meta device."""
    node, (symbol, *_) = example(key)
    if node.row.shape is None:
        return
    arguments = node.arguments(symbol)
    said = node.row.shape(symbol.shape, arguments, key)
    seen, _ = traced(lambda: node.row.wraps(**arguments), [(symbol.shape, symbol.dtype)], key)
    assert said == seen, f"{key}: its rule says {text(said)}, the meta device {text(seen)}"


def check_rule(key: str) -> None:
    """The row's rule, where it has one, computes what autograd does for two networks, in float32 and float64."""
    node, symbols = example(key)
    spec, rule = node.extend(symbols, None).spec, node.row.rule
    if rule is None or spec is None:
        return
    for dtype in (torch.float32, torch.float64):
        modules = [spec.build().to(dtype) for _ in range(2)]
        given = [torch.stack([values(symbol, 5) for _ in modules]) for symbol in symbols]
        try:
            agrees(rule, modules, [x.to(dtype) if x.is_floating_point() else x for x in given])
        except AssertionError as error:
            raise AssertionError(f"{key}: its rule is not what autograd computes: {error}") from error


def check_gradient(key: str) -> None:
    """A gradient reaches the input, or the weights where the input is codes (none where there are no weights either)."""
    node, symbols = example(key)
    spec = node.extend(symbols, None).spec
    assert spec is not None
    module, given = spec.build(), [values(symbol, 5) for symbol in symbols]
    leaves = [g.requires_grad_() for g in given if g.is_floating_point()] or list(module.parameters())
    if not leaves:
        return
    result = module(*given)
    result = result if isinstance(result, torch.Tensor) else torch.cat([r.flatten() for r in result])
    (result * torch.randn_like(result)).sum().backward()
    assert any(leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves), f"{key}: no gradient reaches what comes in"


def check_repr(key: str) -> None:
    """`repr` can be pasted back."""
    node, _ = example(key)
    pasted: Any = eval(repr(node), {"nn": nn, "torch": torch})
    assert repr(pasted) == repr(node), f"{key}: {node!r}"


def check_layer(key: str) -> None:
    """All checks for one key of `nn` whose node was made by `layer`.

    >>> check_layer("linear")
    """
    with seeded(0):
        for check in (check_signature, check_shape, check_shape_rule, check_rule, check_gradient, check_repr):
            check(key)
