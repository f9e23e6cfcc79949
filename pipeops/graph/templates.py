"""Templates: graphs that are made again and again, on the shelf `ppl`.

Each answers an ordinary graph that can be looked into, changed and joined. Neighbours: `ops/branch.py` and
`ops/multiplicity.py` have the nodes; learners and graphs are joined by `>>`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeops.errors import ConfigError
from pipeops.graph.graph import Graph, gunion
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
