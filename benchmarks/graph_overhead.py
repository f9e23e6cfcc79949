"""What a graph costs beside its nodes: composing and running chains of nops, in microseconds a node.

Run with `python benchmarks/graph_overhead.py`. It must grow linearly to 1,000 nodes: at most 12 a node for composing (with
`chain`, and with `>>` one by one) and 10 for running. scikit-learn's Pipeline of as many "passthrough" steps stands beside it.
"""

import time
from collections.abc import Callable
from functools import reduce
from operator import rshift
from typing import Any

from pipeops import as_task_regr, chain, po

PAIRS = 9


def micro(run: Callable[[], object], nodes: int) -> float:
    """The fastest of some runs, in microseconds a node."""
    times = []
    for _ in range(PAIRS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1e6 / nodes


def pipeline(nodes: int, task: Any) -> Callable[[], object]:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    steps = [(f"nop_{i}", FunctionTransformer()) for i in range(nodes)]
    matrix = task.matrix()
    return lambda: Pipeline(steps).fit_transform(matrix)


def main() -> None:
    task = as_task_regr({"x": [1.0, 2.0], "y": [0.0, 1.0]}, target="y")
    print("nodes  make nodes  chain  >> one by one  train  predict  Pipeline.fit_transform   (us a node)")
    for nodes in (10, 100, 1000):
        parts = [po("nop") for _ in range(nodes)]
        graph = chain(parts)
        graph.train(task)
        runs: list[Callable[[], object]] = [
            lambda n=nodes: [po("nop") for _ in range(n)],
            lambda p=parts: chain(p),
            lambda p=parts: reduce(rshift, p),
            lambda g=graph: g.train(task),
            lambda g=graph: g.predict(task),
            pipeline(nodes, task),
        ]
        print(f"{nodes:5}", *(f"{micro(run, nodes):10.2f}" for run in runs))


if __name__ == "__main__":
    main()
