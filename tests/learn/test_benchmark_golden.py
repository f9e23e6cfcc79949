"""Aggregated scores are the reference's on the same folds; the shape of grids, and failing learners."""

import pytest

from pipeops import benchmark, benchmark_grid, lrn, msrs, resample, rsmp, tsk
from pipeops.errors import DataError, TrainingError

MEASURES = ["classif.ce", "classif.acc", "classif.logloss", "classif.mauc_aunu"]


def rows(start, stop):
    """These rows of each species."""
    return [50 * species + i for species in range(3) for i in range(start, stop)]


def test_aggregated_scores(reference):
    """The reference breaks the featureless learner's ties at random; what depends on them is left out."""
    file = reference("09_benchmark")["objects"]["benchmark"]
    golden = {column["name"]: column["values"] for column in file["aggregate"]}
    folds = rsmp("custom", train_sets=[rows(0, 40), rows(10, 50)], test_sets=[rows(40, 50), rows(0, 10)])
    learners = [lrn(f"classif.{name}", predict_type="prob") for name in ("lda", "featureless")]
    result = benchmark(benchmark_grid(tsk("iris"), learners, folds), seed=1)
    table = result.aggregate(msrs(MEASURES)).to_dict(as_series=False)
    assert list(table) == [name for name in golden if name != "nr"]
    for name in ("task_id", "learner_id", "resampling_id", "iters"):
        assert table[name] == golden[name][:2]
    for name in MEASURES:
        ties = name in ("classif.ce", "classif.acc")
        assert table[name][: 2 - ties] == pytest.approx(golden[name][: 2 - ties], rel=1e-6, abs=1e-12), name
    default = [column["name"] for column in file["aggregate_default"]]
    assert result.aggregate().columns == [name for name in default if name != "nr"]


def test_grids(reference):
    golden = reference("09_benchmark")["objects"]
    mixed = golden["grid/mixed_task_types"]
    assert len(benchmark_grid([tsk("iris"), tsk("diabetes")], lrn("classif.tree"), rsmp("cv"))) == mixed["nrow"]
    assert "error" in golden["grid/instantiated_wrong_task"]
    with pytest.raises(DataError, match="instantiated"):
        benchmark_grid([tsk("iris"), tsk("wine")], lrn("classif.tree"), rsmp("cv", folds=3).instantiate(tsk("iris")))


def test_failing_learners(reference):
    golden = reference("09_benchmark")["objects"]
    assert "error" in golden["fail/no_encapsulation"]
    broken = lrn("classif.qda", reg_param=0.5, predict_type="prob")
    task = tsk("iris").filter(rows(0, 1))
    with pytest.raises(TrainingError):
        resample(task, broken, rsmp("cv", folds=2), seed=1)
    broken.encapsulate, broken.fallback = "try", lrn("classif.featureless")
    assert golden["fail/try_fallback"]["out"].startswith("[[1]]\n[1] 2")
    result = resample(task, broken, rsmp("cv", folds=2), seed=1)
    assert len(result.errors()) == 2
    assert result.aggregate()["classif.ce"].is_not_nan().all()
