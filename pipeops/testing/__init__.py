"""The contract that every registered node satisfies, as checks to run over one's own.

    @pytest.mark.parametrize("check", contract_checks(po("my_node")), ids=str)
    def test_contract(check):
        check()

`check_node(node)` runs them all. A node is trained and applied on small tasks (`example_tasks`, or one's own); on those
that it refuses with an error of this package it need not do more. Where a node cannot be made without arguments, its class
says which in `example`, a mapping. Neighbours: everything below; nothing of the package imports this.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from pipeops.graph import PipeOp
from pipeops.testing.checks import FOR_ALL, FOR_NODES
from pipeops.testing.samples import Tasks, content, example, example_tasks, several_tasks, takes_several, tensor_tasks
from pipeops.testing.surroundings import check_fresh_process, pickled, settings_kept

__all__ = ["Check", "check_node", "content", "contract_checks", "example", "example_tasks", "tensor_tasks"]


class Check(NamedTuple):
    """One check of one thing: call it; it raises `AssertionError` when the thing breaks the contract."""

    name: str
    thing: Any
    tasks: Tasks
    function: Callable[[Any, Tasks], None]

    def __call__(self) -> None:
        try:
            with settings_kept():
                self.function(self.thing, self.tasks)
        except Exception as error:
            what = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            raise AssertionError(f"contract check '{self.name}' of {self.thing!r}: {what}") from error

    def __str__(self) -> str:
        return self.name


def contract_checks(thing: Any, tasks: Tasks | None = None) -> list[Check]:
    """The checks for a node, or the fewer ones for another thing with hyperparameters (a loss, an optimizer).

    tasks: by name, by default `example_tasks()`, or `tensor_tasks()` for what takes tensors.
    A hyperparameter `seed` that is None is set, so that runs repeat.

    >>> from pipeops import po
    >>> [check() for check in contract_checks(po("scale")) if check.name == "repr"]
    [None]
    """
    node = isinstance(thing, PipeOp)
    if "seed" in thing.params and thing.params["seed"] is None:
        thing = thing.with_param("seed", 0)
    tasks = tasks or (_tasks_for(thing) if node else {})
    wanted = [*FOR_ALL, *FOR_NODES] if node else FOR_ALL
    checks = [Check(f.__name__.removeprefix("check_"), thing, tasks, f) for f in wanted]
    if node and (blob := pickled(thing)) is not None:
        checks.append(Check("fresh_process", thing, tasks, partial(check_fresh_process, blob)))
    if hasattr(type(thing), "row"):
        from pipeops.net.layers.contract import check_layer

        checks.append(Check("layer", thing, {}, lambda layer, tasks: check_layer(type(layer).key)))
    return checks


def _tasks_for(node: PipeOp) -> Tasks:
    if takes_several(node):
        return several_tasks()
    return tensor_tasks() if getattr(node, "kinds", ()) == ("tensor",) else example_tasks()


def check_node(node: PipeOp, tasks: Tasks | None = None) -> None:
    """Run all checks; the first that fails raises `AssertionError`.

    >>> from pipeops import po
    >>> check_node(po("nop"))
    """
    for check in contract_checks(node, tasks):
        check()
