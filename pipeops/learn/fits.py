"""Fits: what a training run asks for, one node at a time, and the one driver that answers.

A run is a generator. It yields a `Fit` for each node that is to be trained, is sent what the node answered (or the exception
that stopped it is thrown into it), and returns what it made. So training alone, several runs at once and whatever comes
later (processes, another machine) are drivers of the same runs, and none of them knows what a graph or a learner is.
Neighbours: the learner beside it and `graph/driver.py` above are runs; the benchmark drives many.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

R = TypeVar("R")


class Fit(NamedTuple):
    """A node to be trained on these inputs. valid: its inputs from the validation data, where the node takes some.

    learner_id: of the learner that is trained, None for a bare graph.
    """

    node: Any
    inputs: Sequence[Any]
    valid: Sequence[Any] | None = None
    learner_id: str | None = None

    def alone(self) -> Any:
        """What the node's `train` answers: outputs and state."""
        valid = {} if self.valid is None else {"valid": self.valid}
        return self.node.train(self.inputs, **valid, **({"learner_id": self.learner_id} if self.node.takes_learner else {}))


Run = Generator[Fit, Any, R]


def attempt(call: Callable[..., R], *args: Any, **options: Any) -> R | Exception:
    """What a call answers, or the exception that it raises."""
    try:
        return call(*args, **options)
    except Exception as error:
        return error


_direct: ContextVar[bool] = ContextVar("direct", default=True)


def is_direct() -> bool:
    """Whether what is fitted now was asked for by itself, as by `learner.train`, and not as one of several."""
    return _direct.get()


def drive(runs: Iterable[Run[R]], direct: bool = False) -> list[R | Exception]:
    """What each run returns, or the exception that stopped it; what stops one does not stop the others.

    direct: whether it is one run that was asked for by itself.

    A node whose class trains several at once (`train_many`) waits until all runs have come to such a node or to their end;
    then those of one class are trained together. All others are trained at once, one by one.
    """
    before = _direct.set(direct and is_direct())
    try:
        return _driven(list(runs))
    finally:
        _direct.reset(before)


def _driven(courses: list[Run[R]]) -> list[R | Exception]:
    ended: dict[int, R | Exception] = {}
    waiting: dict[int, Fit] = {}
    company = len(courses) > 1

    def go(i: int, answer: Any) -> None:
        """Carry a run on with an answer, to its end or to a fit that waits for others."""
        try:
            while True:
                fit = courses[i].throw(answer) if isinstance(answer, Exception) else courses[i].send(answer)
                if company and type(fit.node).train_many is not None:
                    waiting[i] = fit
                    return
                answer = attempt(fit.alone)
        except StopIteration as stop:
            ended[i] = stop.value
        except Exception as error:
            ended[i] = error

    for i in range(len(courses)):
        go(i, None)
    while waiting:
        kind = type(next(iter(waiting.values())).node)
        group = {i: waiting.pop(i) for i in list(waiting) if type(waiting[i].node) is kind}
        for i, answer in zip(group, together(kind, list(group.values())), strict=True):
            go(i, answer)
    return [ended[i] for i in range(len(courses))]


def together(kind: Any, fits: Sequence[Fit]) -> Sequence[Any]:
    """What the nodes of one class answer, each the exception that stopped it in its place."""
    if len(fits) == 1:
        return [attempt(fits[0].alone)]
    nodes, inputs, valids, ids = (list(each) for each in zip(*fits, strict=True))
    return kind.train_many(nodes, inputs, valids, *([ids] if kind.takes_learner else []))


def outcome(run: Run[R]) -> R:
    """What one run returns; the exception that stopped it is raised."""
    (made,) = drive([run], direct=True)
    if isinstance(made, Exception):
        raise made
    return made
