"""The registries that users call: `po("scale")`, `nn("linear")`, `tsk("sonar")`, …

One instance for each kind of thing. `shorthand.pyi`, generated beside this file, has one overload for each key, so that
editors complete keys and hyperparameters.
"""

from collections.abc import Iterable
from typing import Any

from pipeops.keys import KEYS
from pipeops.registry import Registry

po = Registry("po", "operator", KEYS.get("po", {}), numbered=True, convert="pipeops.ops.convert:as_pipeop")
ppl = Registry("ppl", "template", KEYS.get("ppl", {}))
nn = Registry("nn", "layer", KEYS.get("nn", {}), numbered=True)
tsk = Registry("tsk", "task", KEYS.get("tsk", {}))
lrn = Registry("lrn", "learner", KEYS.get("lrn", {}))
msr = Registry("msr", "measure", KEYS.get("msr", {}))
rsmp = Registry("rsmp", "resampling", KEYS.get("rsmp", {}))
flt = Registry("flt", "filter", KEYS.get("flt", {}))
t_loss = Registry("t_loss", "loss", KEYS.get("t_loss", {}))
t_opt = Registry("t_opt", "optimizer", KEYS.get("t_opt", {}))
t_clbk = Registry("t_clbk", "callback", KEYS.get("t_clbk", {}))
t_sampler = Registry("t_sampler", "sampler", KEYS.get("t_sampler", {}))


def lrns(keys: Iterable[str], **arguments: Any) -> list[Any]:
    """Several learners: `lrns(["classif.tree", "classif.lda"], predict_type="prob")`; arguments go to each."""
    return [lrn(key, **arguments) for key in ([keys] if isinstance(keys, str) else keys)]


def tsks(keys: Iterable[str]) -> list[Any]:
    """Several tasks: `tsks(["iris", "wine"])`."""
    return [tsk(key) for key in ([keys] if isinstance(keys, str) else keys)]


def rsmps(keys: Iterable[str], **arguments: Any) -> list[Any]:
    """Several resamplings: `rsmps(["cv", "repeated_cv"], folds=5)`; arguments go to each."""
    return [rsmp(key, **arguments) for key in ([keys] if isinstance(keys, str) else keys)]


def msrs(keys: Iterable[str]) -> list[Any]:
    """Several measures: `msrs(["classif.auc", "classif.acc"])`, or `msrs("classif.auc")` for a list of one."""
    return [msr(key) for key in ([keys] if isinstance(keys, str) else keys)]
