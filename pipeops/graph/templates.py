"""Templates: graphs that are made again and again, on the shelf `ppl`.

Each answers an ordinary graph that can be looked into, changed and joined. Neighbours: `ops/branch.py` and
`ops/multiplicity.py` have the nodes; learners and graphs are joined by `>>`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeops.errors import ConfigError
from pipeops.graph.graph import Graph, chain, gunion
from pipeops.learn.learner import Learner
from pipeops.shorthand import po, ppl


@ppl.add("branch")
def branch(
    graphs: Mapping[str, Any] | Sequence[Any],
    *,
    id: str | None = None,
    prefix_branchops: str = "",
    prefix_paths: bool | str = False,
) -> Graph:
    """One of several ways, chosen by the hyperparameter `branch.selection`; the others are not trained.

    graphs: nodes, graphs or learners by name, the names being those to choose from; a list is numbered from `output1`. id: of
    the branch node, and with `_unbranch` behind it of its end; prefix_branchops stands before both ids instead. prefix_paths:
    put the name of each way before the ids in it (`po1`, … where there is none), and this text before the name.

    >>> from pipeops import po, ppl, tsk
    >>> graph = ppl("branch", {"scaled": po("scale"), "plain": po("nop")})
    >>> graph.params["branch.selection"] = "plain"
    >>> graph.train(tsk("iris")).ncol, graph.state["scale"]
    (5, None)
    """
    ways = list(graphs.values() if isinstance(graphs, Mapping) else graphs)
    if not ways:
        raise ConfigError('ppl("branch"): needs at least one way.')
    options: Any = list(graphs) if isinstance(graphs, Mapping) else len(ways)
    names = (f"{prefix_branchops}branch", f"{prefix_branchops}unbranch") if id is None else (id, f"{id}_unbranch")
    first, last = po("branch", options=options), po("unbranch")
    if id is not None or prefix_branchops:
        first, last = first.renamed(names[0]), last.renamed(names[1])
    return first >> (ways if prefix_paths is False else _prefixed(graphs, ways, prefix_paths)) >> last


def _prefixed(graphs: Any, ways: Sequence[Any], prefix: bool | str) -> Graph:
    """The ways side by side, with the names of each before its ids."""
    names = list(graphs) if isinstance(graphs, Mapping) else [f"po{k + 1}" for k in range(len(ways))]
    before = prefix if isinstance(prefix, str) else ""
    return gunion({f"{before}{name}": way for name, way in zip(names, ways, strict=True)})


@ppl.add("greplicate")
def greplicate(graph: Any, n: int) -> Graph:
    """So many copies of a node, graph or learner side by side, with `_1`, `_2`, ... behind their ids.

    >>> from pipeops import po, ppl
    >>> ppl("greplicate", po("subsample") >> po("scale"), 2).ids()
    ['subsample_1', 'scale_1', 'subsample_2', 'scale_2']
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise ConfigError(f"ppl(\"greplicate\"): 'n' must be an integer of at least 1, got {n!r}.")
    return gunion([Graph().extend(graph).update_ids(postfix=f"_{k + 1}") for k in range(n)])


@ppl.add("ovr")
def ovr(graph: Any) -> Graph:
    """One class against the others, for each class: what learns from two classes then learns from more.

    graph: a node, graph or learner that ends in a prediction; it is trained once for each class.

    >>> from pipeops import lrn, ppl
    >>> ppl("ovr", lrn("classif.log_reg")).ids()
    ['ovrsplit', 'classif_log_reg', 'ovrunite']
    """
    return po("ovrsplit") >> Graph().extend(graph) >> po("ovrunite")


@ppl.add("bagging")
def bagging(graph: Any, *, iterations: int = 10, frac: float = 0.7, replace: bool = False, averager: Any = "default") -> Graph:
    """The mean of models that are trained on different shares of the rows.

    graph: a node, graph or learner that ends in a prediction; it is trained `iterations` times, each time on a share `frac` of
    the rows, drawn with or without replacement. averager: what makes one prediction of several, taking a multiplicity; by default
    `classifavg` or `regravg`; None leaves the multiplicity. Source: Breiman, Bagging predictors, Machine Learning 24 (1996).

    >>> from pipeops import lrn, ppl
    >>> ppl("bagging", lrn("regr.tree"), iterations=3).ids()
    ['replicate', 'subsample', 'regr_tree', 'regravg']
    """
    made = chain([po("replicate", reps=iterations), po("subsample", frac=frac, replace=replace), graph])
    if averager is None:
        return made
    return made >> (
        _average(made, collect_multiplicity=True) if isinstance(averager, str) and averager == "default" else averager
    )


def _average(graph: Graph, **settings: Any) -> Any:
    """The averager of what a graph predicts."""
    kind = str(graph.outputs[0].channel.predict)
    keys = {"PredictionClassif": "classifavg", "PredictionRegr": "regravg"}
    found = [keys[name] for name in keys if name in kind]
    if not found:
        raise ConfigError(f"bagging: the graph must end in a prediction of classes or numbers, it ends in {kind}.")
    return po(found[0], **settings)


@ppl.add("stacking")
def stacking(
    base_learners: Sequence[Any], super_learner: Any, *, method: str = "cv", folds: int = 3, use_features: bool = True
) -> Graph:
    """A learner on top of what others predict out of fold.

    base_learners: learners, each behind a `learner_cv` (method and folds are its); super_learner: the one that sees their
    predictions and, with use_features, the features themselves. Source: Wolpert, Stacked generalization, Neural Networks 5
    (1992).

    >>> from pipeops import lrn, ppl
    >>> ppl("stacking", [lrn("regr.lm"), lrn("regr.tree")], lrn("regr.ridge")).ids()
    ['regr_lm', 'regr_tree', 'nop', 'featureunion_stacking', 'regr_ridge']
    """
    if not base_learners or not all(isinstance(learner, Learner) for learner in base_learners):
        raise ConfigError(
            'ppl("stacking"): base_learners is a list of learners, as in [lrn("classif.lda"), lrn("classif.tree")].'
        )
    bases = [po("learner_cv", learner, method=method, folds=folds) for learner in base_learners]
    return (
        gunion([*bases, *([po("nop")] if use_features else [])])
        >> po("featureunion", id="featureunion_stacking")
        >> super_learner
    )


@ppl.add("targettrafo")
def targettrafo(graph: Any, *, trafo_pipeop: Any = None, trafo: Any = None, inverter: Any = None, id_prefix: str = "") -> Graph:
    """A transformed target for training, and predictions in its own unit.

    graph: a node, graph or learner that ends in numbers. trafo_pipeop: a node with the outputs `fun` and `output`, such as
    `targettrafoscalerange`; without one, `trafo` and `inverter` are the functions of a `targetmutate`. id_prefix: before the ids
    of both nodes around the graph.

    >>> import numpy as np
    >>> from pipeops import lrn, ppl
    >>> ppl("targettrafo", lrn("regr.lm"), trafo=np.log, inverter=np.exp).ids()
    ['targetmutate', 'regr_lm', 'targetinvert']
    """
    if trafo_pipeop is not None and (trafo is not None or inverter is not None):
        raise ConfigError('ppl("targettrafo"): give either trafo_pipeop, or trafo and inverter.')
    first = po("targetmutate", trafo=trafo, inverter=inverter) if trafo_pipeop is None else trafo_pipeop
    first, last = (node.renamed(f"{id_prefix}{node.id}") if id_prefix else node for node in (first, po("targetinvert")))
    inner = Graph().extend(graph)
    made = gunion([first, inner, last])
    (into,), (out,) = inner.inputs, inner.outputs
    made = made.add_edge(first.id, into.node, "output", into.channel.name)
    made = made.add_edge(out.node, last.id, out.channel.name, "prediction")
    return made.add_edge(first.id, last.id, "fun", "fun")
