"""Every case of the reference for the operators that we have: outputs of training and prediction, and refusals."""

import re
from typing import Any

import pytest

from pipeops.errors import PipeOpsError
from tests.ops import reference as ref

FILES = ("01_preproc", "02_impute", "03_encode")
TEXT = "text is categorical here, and so imputed and encoded like other categories"
ZERO_WIDTH = "a constant becomes the lower bound rather than NaN"
NOTHING = "what was learnt from nothing is missing, rather than infinite"
UNSEEN = "levels unseen in training give zeros rather than a missing row"
SINGLE = "the only new column is named like all others, <column>.<level>"

DIFFERENT: dict[str, tuple[str, set[str]]] = {
    r'po\("encode"\)/mixed': (TEXT + "; " + UNSEEN, {"chr", "chr.p", "chr.q", "chr.r", "fac.z", "fac.y", "fac.x", "fac.unused"}),
    r"encode.*/na_tr": (SINGLE, {"fac_all", "fac_all.v", "fac_all.1"}),
    r"encode.*/regf": (UNSEEN, {"f.a", "f.b", "f.c"}),
    r'po\("encodeimpact"\)/mixed': (TEXT, {"chr", "chr.a", "chr.b", "chr.c"}),
    r"collapsefactors/mixed": ("an Enum has no flag that it is ordered: rare levels go to the rarest that is kept", {"ord"}),
    r'po\("imputemode"\)/mixed': (TEXT + "; the most frequent values of num and ord are tied", {"chr", "num", "ord"}),
    r'po\("imputesample"\)/mixed': (TEXT, {"chr"}),
    r"scalerange/const_tr": (ZERO_WIDTH, {"const", "iconst", "zero"}),
    r"scalerange/na_tr": (ZERO_WIDTH, {"halfna"}),
    r"scalemaxabs/na_tr": (NOTHING, {"int_all", "nan_all"}),
}
REFUSED_BY_ACCIDENT = {
    "imputeoor.*dates": "out of range works for dates too",
    "fixfactors.*na_tr": "no level, no column",
    "spatialsign/zero_row": "one column is a matrix too; a row of zeros stays one",
    "imputelearner.*regr.featureless.* on mixed_te": "other levels of a feature are no other feature",
    "yeojohnson": "a package was not installed",
}
"""Where R failed for reasons of its own."""


def _cases() -> list[Any]:
    import json
    import os
    from pathlib import Path

    folder = os.environ.get("PIPEOPS_REFERENCE")
    if not folder:
        return []
    loaded = [(name, json.loads(Path(folder, f"{name}.json").read_text())) for name in FILES]
    return [pytest.param(f, c, id=f"{f}/{c['case']}") for f, content in loaded for c in content["cases"] if c.get("train_task")]


def _tasks(reference: Any, name: str) -> dict[str, Any]:
    extra = reference(name).get("extra_tasks")
    return {**reference("tasks")["tasks"], **(extra if isinstance(extra, dict) else {})}


def _ignored(case: dict[str, Any]) -> set[str]:
    found = [names for pattern, (_, names) in DIFFERENT.items() if re.search(pattern, case["case"])]
    return set().union(*found)


def _compare(made: Any, output: dict[str, Any], case: dict[str, Any]) -> None:
    mine, theirs, ignored = ref.ours(made), ref.columns(output), _ignored(case)
    assert set(mine) - ignored == set(theirs) - ignored
    for name in set(theirs) - ignored:
        if "random" in case.get("note", ""):
            assert [v is None for v in mine[name]] == [v is None for v in theirs[name]], name
        else:
            assert len(mine[name]) == len(theirs[name])
            wrong = [(a, b) for a, b in zip(mine[name], theirs[name], strict=True) if not _same(a, b)]
            assert not wrong, name


def _only(phase: dict[str, Any]) -> dict[str, Any]:
    (output,) = phase["output"].values()
    return output


def _same(a: Any, b: Any) -> bool:
    return a == pytest.approx(b, rel=1e-6, abs=1e-9) if isinstance(a, float) and isinstance(b, float) else a == b


@pytest.mark.parametrize(("file", "case"), _cases())
def test_outputs_are_those_of_the_reference(reference: Any, file: str, case: dict[str, Any]) -> None:
    tasks = _tasks(reference, file)
    graph = ref.operator(case["r"], tasks[case["train_task"]])
    graph = graph if hasattr(graph, "nodes") else [graph] >> ref.po("nop")
    train = ref.task(tasks[case["train_task"]])
    before = str(train.data())
    if case["train"].get("error"):
        if any(re.search(pattern, case["case"]) for pattern in REFUSED_BY_ACCIDENT):
            pytest.skip("refused for reasons of R")
        with pytest.raises(PipeOpsError):
            graph.train(train)
        return
    _compare(graph.train(train), _only(case["train"]), case)
    assert str(train.data()) == before
    for part in case["predict"]:
        new = ref.task(tasks[part["task"]])
        if part.get("error"):
            if any(re.search(pattern, f"{case['case']} on {part['task']}") for pattern in REFUSED_BY_ACCIDENT):
                continue
            with pytest.raises(PipeOpsError):
                graph.predict(new)
        else:
            _compare(graph.predict(new), _only(part), case)
