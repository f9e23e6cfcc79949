"""Templates: graphs that are made again and again, on the shelf `ppl`.

Each answers an ordinary graph that can be looked into, changed and joined. Neighbours: `ops/branch.py` and
`ops/multiplicity.py` have the nodes; learners and graphs are joined by `>>`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeops.data.selectors import selector_type
from pipeops.errors import ConfigError
from pipeops.graph.graph import Graph, chain, gunion
from pipeops.learn.learner import Learner
from pipeops.shorthand import po, ppl


@ppl.add("branch")
def branch(graphs: Mapping[str, Any] | Sequence[Any], *, id: str | None = None) -> Graph:
    """One of several ways, chosen by the hyperparameter `branch.selection`; the others are not trained.

    graphs: nodes, graphs or learners by name, the names being those to choose from; a list is numbered from `output1`. id: of
    the branch node, and with `_unbranch` behind it of its end.

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
    own = ({}, {}) if id is None else ({"id": id}, {"id": f"{id}_unbranch"})
    return po("branch", options=options, **own[0]) >> ways >> po("unbranch", **own[1])


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
    ['regr_lm', 'regr_tree', 'nop', 'featureunion', 'regr_ridge']
    """
    if not base_learners or not all(isinstance(learner, Learner) for learner in base_learners):
        raise ConfigError(
            'ppl("stacking"): base_learners is a list of learners, as in [lrn("classif.lda"), lrn("classif.tree")].'
        )
    bases = [po("learner_cv", learner, method=method, folds=folds) for learner in base_learners]
    return gunion([*bases, *([po("nop")] if use_features else [])]) >> po("featureunion") >> super_learner


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


@ppl.add("robustify")
def robustify(
    task: Any = None,
    learner: Any = None,
    *,
    impute_missings: bool | None = None,
    factors_to_numeric: bool | None = None,
    max_cardinality: int = 1000,
) -> Graph:
    """Preprocessing after which a learner can take whatever comes.

    Constant columns go; dates become numbers; missing numbers are the median and have an indicator, missing categories are a
    level of their own and unseen ones the most frequent; categories become numbers. task: leaves out what its columns do not
    need; without one they need all. learner: leaves out what it takes as it is (`takes_missing`, `takes_categories`).
    impute_missings, factors_to_numeric: True and False decide instead. max_cardinality: rarer levels beyond so many are merged.

    >>> from pipeops import lrn, ppl, tsk
    >>> ppl("robustify", task=tsk("iris"), learner=lrn("classif.lda")).ids()
    ['removeconstants_prerobustify', 'removeconstants_postrobustify']
    """
    kinds = {"numeric", "boolean", "categorical", "datetime"} if task is None else set(task.feature_types.values())
    missing = task is None or any(task.missings().values())
    impute = missing and not getattr(learner, "takes_missing", False) if impute_missings is None else impute_missings
    numeric = "categorical" in kinds and not getattr(learner, "takes_categories", False)
    numeric = numeric if factors_to_numeric is None else factors_to_numeric
    steps: list[Any] = [po("removeconstants", id="removeconstants_prerobustify", na_ignore=False)]
    steps += [po("datefeatures")] if "datetime" in kinds else []
    steps += _imputing(kinds) if impute else []
    if "categorical" in kinds:
        steps += [po("fixfactors", affect_columns=selector_type("categorical"))]
        steps += [po("imputemode")] if impute or (numeric and not getattr(learner, "takes_missing", False)) else []
        many = task is None or any(len(task.levels(n)) > max_cardinality for n in _categorical(task))
        steps += [po("collapsefactors", target_level_count=max_cardinality)] if many else []
        steps += [po("encode")] if numeric else []
    return chain([*steps, po("removeconstants", id="removeconstants_postrobustify")])


def _imputing(kinds: set[str]) -> list[Any]:
    """Imputation of numbers and booleans beside their indicators, and of categories."""
    steps: list[Any] = []
    if kinds & {"numeric", "boolean", "datetime"}:
        filled = po("imputemedian") >> po("imputemode", id="impute_logicals", affect_columns=selector_type("boolean"))
        holes = po("missind", type="numeric", affect_columns=selector_type("numeric", "boolean"))
        steps = [gunion([filled, holes]), po("featureunion", id="featureunion_robustify")]
    return [*steps, *([po("imputeoor", affect_columns=selector_type("categorical"))] if "categorical" in kinds else [])]


def _categorical(task: Any) -> list[str]:
    return [name for name, kind in task.feature_types.items() if kind == "categorical"]
