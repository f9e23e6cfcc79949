"""Benchmarks: splits are shared, results repeat whatever the order and the workers, failures are kept, runs resume."""

import os
import signal
from typing import ClassVar

import joblib
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_rel
from sklearn.base import BaseEstimator, RegressorMixin

from pipeops import (
    BenchmarkResult,
    as_learner,
    as_task_regr,
    benchmark,
    benchmark_grid,
    load_benchmark,
    lrn,
    measure,
    msr,
    msrs,
    po,
    resample,
    rsmp,
    tsk,
)
from pipeops.errors import ConfigError, DataError, TrainingError, UnknownKeyError
from pipeops.learn.benchmark.run import BenchmarkWarning
from pipeops.learn.learners.featureless import ClassifFeatureless
from pipeops.learn.measures.measure import MeasureWarning

IDS = ["task_id", "learner_id", "resampling_id"]


class Broken(ClassifFeatureless):
    """Fails in training or in predicting on the rows that `fails` names."""

    def __init__(self, id="broken", stage="train", fails=lambda ids: True, error=ValueError):
        super().__init__(id=id)
        self.stage, self.fails, self.error = stage, fails, error

    def _train(self, task, valid):
        self._maybe(task, "train")
        return super()._train(task, valid)

    def _predict(self, task, model):
        self._maybe(task, "predict")
        return super()._predict(task, model)

    def _maybe(self, task, stage):
        if stage == self.stage and self.fails(task.row_ids):
            raise self.error("it broke")


class Notes(list):
    """A list that has no state, so that what it holds decides nothing."""

    def __reduce_ex__(self, protocol):
        return Notes, ()


class Counting(ClassifFeatureless):
    """Notes each training, and what it was given."""

    seen: ClassVar[Notes] = Notes()
    validates_on: ClassVar[str | None] = "test"

    def _train(self, task, valid):
        Counting.seen.append((task.row_ids.tolist(), None if valid is None else valid.row_ids.tolist(), self.params["seed"]))
        return super()._train(task, valid)


@pytest.fixture(autouse=True)
def forget():
    Counting.seen.clear()


@pytest.fixture
def iris():
    return tsk("iris").filter(np.arange(0, 150, 3)).with_id("iris")


@pytest.fixture
def grid(iris):
    learners = [lrn("classif.tree"), lrn("classif.featureless")]
    return benchmark_grid(iris, learners, [rsmp("cv", folds=3), rsmp("holdout")])


def test_a_grid_has_a_row_for_each_combination(grid, iris):
    assert len(grid) == 4
    assert [(r.learner.id, r.resampling.id) for r in grid] == [
        ("classif.tree", "cv"),
        ("classif.tree", "holdout"),
        ("classif.featureless", "cv"),
        ("classif.featureless", "holdout"),
    ]
    assert len(grid + benchmark_grid(iris, lrn("classif.lda"), rsmp("cv"))) == 5
    other = iris.with_id("other")
    pairs = [rsmp("cv", folds=2).instantiate(iris), rsmp("cv", folds=4).instantiate(other)]
    paired = benchmark_grid([iris, other], lrn("classif.lda"), pairs, paired=True)
    assert [(r.task.id, r.resampling.iters) for r in paired] == [("iris", 2), ("other", 4)]


def test_grids_that_make_no_sense_are_refused(iris):
    lda = lrn("classif.lda")
    with pytest.raises(ConfigError, match=r"two learners are called 'classif.lda'"):
        benchmark_grid(iris, [lda, lda], rsmp("cv"))
    with pytest.raises(ConfigError, match="two tasks"):
        benchmark_grid([iris, iris], lda, rsmp("cv"))
    with pytest.raises(ConfigError, match="two resamplings"):
        benchmark_grid(iris, lda, [rsmp("cv"), rsmp("cv", folds=3)])
    with pytest.raises(ConfigError, match=r"not a learner; make one with as_learner"):
        benchmark_grid(iris, po("scale"), rsmp("cv"))
    with pytest.raises(ConfigError, match=r"^resample: 'cv' is a str, not a resampling; make one with rsmp"):
        resample(iris, lda, "cv")
    with pytest.raises(ConfigError, match="at least one task"):
        benchmark_grid([], lda, rsmp("cv"))
    with pytest.raises(DataError, match="instantiated on 'iris'"):
        benchmark_grid(tsk("wine"), lda, rsmp("cv").instantiate(iris))
    with pytest.raises(ConfigError, match="as many resamplings"):
        benchmark_grid(iris, lda, [rsmp("cv"), rsmp("loo")], paired=True)
    with pytest.raises(ConfigError, match="not"):
        benchmark_grid(iris, lda, [rsmp("cv")], paired=True)
    with pytest.raises(DataError, match="classif learner"):
        benchmark(benchmark_grid(tsk("diabetes"), lda, rsmp("cv")))
    with pytest.raises(DataError, match="iteration 40 of 'cv'"):
        benchmark(benchmark_grid(iris.filter(np.arange(0, 120, 3)), lda, rsmp("cv", folds=41)))
    with pytest.raises(ConfigError, match="takes a grid"):
        benchmark([iris])


def test_tables(grid):
    result = benchmark(grid, seed=1)
    scores = result.score(msrs(["classif.acc", "classif.ce"]))
    assert scores.columns == [*IDS, "iteration", "classif.acc", "classif.ce"]
    assert len(scores) == 8
    table = result.aggregate(msrs(["classif.acc"]))
    assert table.columns == [*IDS, "iters", "classif.acc"]
    assert table["iters"].to_list() == [3, 1, 3, 1]
    means = scores.group_by(IDS, maintain_order=True).agg(pl.col("classif.acc").mean())
    assert table["classif.acc"].to_list() == pytest.approx(means["classif.acc"].to_list())
    assert result.aggregate().columns[-1] == "classif.ce"
    predictions = result.predictions()
    assert predictions.columns == [*IDS, "iteration", "row_ids", "truth", "response"]
    cv = predictions.filter(pl.col("resampling_id") == "cv", pl.col("learner_id") == "classif.tree")
    assert sorted(cv["row_ids"]) == list(range(0, 150, 3))
    assert len(result.errors()) == 0
    assert "BenchmarkResult of 8 iterations in 4 resampling runs" in repr(result)


def test_scores_are_those_of_the_same_fold_by_hand(iris):
    cv = rsmp("cv", folds=3).instantiate(iris, seed=3)
    result = resample(iris, lrn("classif.tree", random_state=1), cv, "classif.acc", store_models=True)
    by_hand = lrn("classif.tree", random_state=1)
    hand = [by_hand.train(iris, rows=cv.train_set(i)).predict(iris, rows=cv.test_set(i)).score("classif.acc") for i in range(3)]
    assert result.score()["classif.acc"].to_list() == hand
    trained = result.learners()
    assert [m.predict(iris, rows=cv.test_set(i)).score("classif.acc") for i, m in enumerate(trained)] == hand


def test_splits_are_shared_and_follow_from_the_seed(grid):
    def rows(result, learner):
        table = result.filter(learner=learner, resampling="cv").predictions()
        return [table.filter(pl.col("iteration") == i)["row_ids"].to_list() for i in range(3)]

    one, again, other = (benchmark(grid, seed=s) for s in (1, 1, 2))
    assert rows(one, "classif.tree") == rows(one, "classif.featureless") == rows(again, "classif.tree")
    assert rows(one, "classif.tree") != rows(other, "classif.tree")


def test_results_depend_neither_on_order_nor_on_the_rest_of_the_grid(iris):
    forest = lrn("classif.random_forest", n_estimators=2, max_depth=1, id="forest")
    both = [forest, lrn("classif.featureless", method="sample")]
    cv = rsmp("cv", folds=2)
    one = benchmark(benchmark_grid(iris, both, cv), seed=5)
    two = benchmark(benchmark_grid(iris, both[::-1], cv), seed=5)
    alone = benchmark(benchmark_grid(iris, forest, cv), seed=5)
    for key in ("forest", "classif.featureless"):
        assert one.filter(learner=key).predictions().equals(two.filter(learner=key).predictions())
    assert one.filter(learner="forest").predictions().equals(alone.predictions())
    assert forest.params["random_state"] is None


def test_two_workers_find_what_one_finds(grid):
    one = benchmark(grid, seed=1, store_models=True)
    two = benchmark(grid, seed=1, n_jobs=2, store_models=True)
    assert one.predictions().equals(two.predictions())
    assert [one.is_trained for one in two.learners(learner="classif.tree")] == [True] * 4
    from joblib import parallel_config

    with parallel_config("threading", n_jobs=2):
        assert one.predictions().equals(benchmark(grid, seed=1).predictions())


def test_a_dask_cluster_runs_the_same_grid(grid):
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    from joblib import parallel_config

    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster), parallel_config("dask"):
        far = benchmark(grid, seed=1)
    assert far.predictions().equals(benchmark(grid, seed=1).predictions())


def test_learners_that_validate_on_the_test_rows_get_them(iris):
    cv = rsmp("cv", folds=2).instantiate(iris, seed=1)
    resample(iris, Counting(), cv, seed=1)
    assert [(train, valid) for train, valid, _ in Counting.seen] == [
        (cv.train_set(i).tolist(), cv.test_set(i).tolist()) for i in range(2)
    ]
    seeds = [seed for *_, seed in Counting.seen]
    assert len(set(seeds)) == 2


@pytest.mark.parametrize("stage", ["train", "predict"])
def test_a_failure_stops_unless_it_is_kept(iris, stage):
    broken = Broken(stage=stage, fails=lambda ids: 0 in ids if stage == "predict" else 0 not in ids)
    cv = rsmp("cv", folds=3)
    with pytest.raises(ValueError, match="it broke") as caught:
        resample(iris, broken, cv, seed=1)
    assert "'broken'" in caught.value.__notes__[-1]
    broken.encapsulate = "try"
    kept = resample(iris, broken, cv, seed=1)
    errors = kept.errors()
    assert errors.select("learner_id", "stage", "message").row(0) == ("broken", stage, "ValueError: it broke")
    assert "in _maybe" in errors["traceback"][0]
    assert len(errors) == 1
    assert np.isnan(kept.score()["classif.ce"].to_list()).sum() == 1
    assert np.isnan(kept.aggregate()["classif.ce"][0])
    broken.fallback = lrn("classif.featureless")
    saved = resample(iris, broken, cv, seed=1)
    assert saved.score().equals(resample(iris, lrn("classif.featureless", id="broken"), cv, seed=1).score())
    assert len(saved.errors()) == 1
    assert "errors" in repr(saved)


def test_a_fallback_alone_keeps_failures_and_gives_probabilities(iris):
    log_reg = lrn("classif.log_reg", l1_ratio=0.5, predict_type="prob")  # which lbfgs cannot do
    log_reg.fallback = lrn("classif.featureless")
    result = resample(iris, log_reg, rsmp("holdout"), seed=1)
    assert len(result.errors()) == 1
    assert result.prediction().predict_types == ["response", "prob"]


def test_micro_and_macro_averages(iris):
    ids = iris.row_ids
    uneven = rsmp("custom", train_sets=[ids[:20], ids[:20]], test_sets=[ids[:4], ids[20:]])
    result = resample(iris, lrn("classif.featureless"), uneven, seed=2)
    macro, micro = msr("classif.ce"), msr("classif.ce", average="micro", id="micro")
    table = result.aggregate([macro, micro])
    assert table["classif.ce"][0] == pytest.approx(result.score()["classif.ce"].mean())
    joined = result.predictions()
    assert table["micro"][0] == pytest.approx((joined["truth"] != joined["response"]).mean())


def test_measures_may_look_at_the_learner_and_the_task(iris):
    result = resample(iris, lrn("classif.tree"), rsmp("holdout"), seed=1, store_models=True)
    times = result.score(msrs(["time_train", "time_predict"])).row(0)[-2:]
    assert all(0 < t < 5 for t in times)
    own = measure("leaves", lambda truth, response, learner, task: learner.model.estimator.get_n_leaves(), minimize=None)
    assert result.aggregate(own)["leaves"][0] >= 2
    assert 0 < result.aggregate(msr("selected_features"))["selected_features"][0] <= 4
    with pytest.raises(AttributeError, match="store_models"):
        resample(iris, lrn("classif.tree"), rsmp("holdout"), seed=1).aggregate(own)


def test_details_of_the_resampling_stand_in_the_scores():
    task = as_task_regr({"s": ["a", "b"] * 10, "x": range(20), "y": range(20)}, target="y").with_roles(subset="s")
    scores = resample(task, lrn("regr.lm"), rsmp("same_other_cv", folds=2), seed=1).score("regr.mse")
    assert scores.columns[3:-1] == ["iteration", "train.subsets", "test.fold", "test.subset", "seed", "n.train.groups"]
    assert set(scores["train.subsets"]) == {"same", "other", "all"}


def test_parts_of_a_result(grid, iris):
    result = benchmark(grid, seed=1, store_models=True)
    tree = result.filter(learner="classif.tree", resampling="cv")
    assert len(tree) == 3
    assert len(tree.learners()) == 3
    assert len(tree.prediction()) == iris.nrow
    with pytest.raises(UnknownKeyError, match=r"Did you mean 'classif.tree'"):
        result.filter(learner="classif.tre")
    with pytest.raises(ConfigError, match="4 resampling runs"):
        result.prediction()
    more = benchmark(benchmark_grid(iris, lrn("classif.lda"), rsmp("cv", folds=3)), seed=1)
    both = result.combine(more)
    assert len(both) == 11
    with pytest.raises(ConfigError, match="more than one result"):
        both.combine(more)
    with pytest.raises(ConfigError, match="store_models"):
        more.learners()


def test_tasks_of_both_kinds_in_one_result(iris):
    regr = as_task_regr({"x": range(9), "y": range(9)}, target="y", id="line")
    both = resample(iris, lrn("classif.lda"), rsmp("holdout"), seed=1).combine(
        resample(regr, lrn("regr.lm"), rsmp("holdout"), seed=1)
    )
    with pytest.raises(DataError, match="different kinds"):
        both.score()
    assert (
        set(both.predictions()["truth"].dtype.__class__.__mro__) & {pl.String} or both.predictions()["truth"].dtype == pl.String
    )
    assert len(both.filter(task="line").score()) == 1


def test_compare_is_the_paired_t_test(iris):
    learners = [lrn("classif.tree", max_depth=1, id="stump"), lrn("classif.lda"), lrn("classif.featureless")]
    result = benchmark(benchmark_grid(iris, learners, rsmp("cv", folds=5)), seed=1)
    table = result.compare("classif.acc")
    assert table.select("learner_id", "other_id").rows() == [
        ("stump", "classif.lda"),
        ("stump", "classif.featureless"),
        ("classif.lda", "classif.featureless"),
    ]
    scores = {
        k: result.filter(learner=k).score("classif.acc")["classif.acc"].to_numpy()
        for k in ("stump", "classif.lda", "classif.featureless")
    }
    for row in table.iter_rows(named=True):
        one, other = scores[row["learner_id"]], scores[row["other_id"]]
        assert row["mean_difference"] == pytest.approx((one - other).mean())
        assert row["sd"] == pytest.approx((one - other).std(ddof=1))
        assert row["p_value"] == pytest.approx(ttest_rel(one, other).pvalue)
        assert row["n"] == 5
    with pytest.raises(ConfigError, match="one measure"):
        result.compare(["classif.acc", "classif.ce"])


def test_saving_a_result(grid, tmp_path):
    result = benchmark(grid, seed=1, measures=msrs(["classif.acc", "time_train"]))
    result.save(tmp_path / "result")
    back = load_benchmark(tmp_path / "result")
    assert isinstance(back, BenchmarkResult)
    assert back.score().equals(result.score())
    assert back.predictions().equals(result.predictions())
    assert repr(back) == repr(result)
    lda = resample(tsk("iris"), lrn("classif.lda"), rsmp("holdout"), seed=1, store_models=True)
    lda.save(tmp_path / "lda")
    assert load_benchmark(tmp_path / "lda").learners()[0].is_trained
    forest = resample(tsk("iris"), lrn("classif.tree"), rsmp("holdout"), seed=1, store_models=True)
    with pytest.warns(BenchmarkWarning, match="without pickle"):
        forest.save(tmp_path / "forest")
    assert load_benchmark(tmp_path / "forest").score("classif.acc").equals(forest.score("classif.acc"))


def test_an_interrupted_benchmark_keeps_what_is_done(iris):
    cv = rsmp("cv", folds=4).instantiate(iris, seed=1)
    grid = benchmark_grid(iris, [Counting(id="first"), Broken(error=KeyboardInterrupt)], cv)
    with pytest.warns(BenchmarkWarning, match="after 4 of 8 jobs"):
        part = benchmark(grid, seed=1)
    assert len(part.score()) == 4
    with pytest.raises(KeyboardInterrupt):
        resample(iris, Broken(error=KeyboardInterrupt), cv)


def test_finished_jobs_are_not_run_again(iris, tmp_path):
    cv, folder = rsmp("cv", folds=4), tmp_path / "folder"
    small = benchmark_grid(iris, [Counting(id="counting")], cv)
    first = benchmark(small, seed=7, path=folder)
    assert len(Counting.seen) == 4
    again = benchmark(small, path=folder)
    assert len(Counting.seen) == 4
    assert again.predictions().equals(first.predictions())
    assert again.seed == 7
    for file in sorted(folder.glob("*.safetensors"))[:2]:
        file.unlink()
    damaged = next(folder.glob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert benchmark(small, path=folder).predictions().equals(first.predictions())
    assert len(Counting.seen) == 7
    grown = benchmark(benchmark_grid(iris, [Counting(id="counting"), lrn("classif.lda")], cv), path=folder)
    assert len(grown) == 8
    assert len(Counting.seen) == 7
    benchmark(benchmark_grid(iris, [Counting(id="counting", method="sample")], cv), path=folder)
    assert len(Counting.seen) == 11
    changed = iris.with_features(iris.frame().with_columns(nw.col("Petal.Width") + 1))
    benchmark(benchmark_grid(changed, [Counting(id="counting")], cv), path=folder)
    assert len(Counting.seen) == 15
    with pytest.raises(ConfigError, match="begun with seed 7"):
        benchmark(small, seed=8, path=folder)


@pytest.fixture
def interruptible():
    """Ctrl-C raises, however the process was started: a job in the background of a shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_in_the_middle(iris, tmp_path):
    class Slow(Counting):
        def _train(self, task, valid):
            if len(Counting.seen) == 2:
                signal.raise_signal(signal.SIGINT)
            return super()._train(task, valid)

    grid = benchmark_grid(iris, Slow(id="slow"), rsmp("cv", folds=4))
    with pytest.warns(BenchmarkWarning, match="after 2 of 4 jobs"):
        part = benchmark(grid, seed=1, path=tmp_path)
    assert part.score()["iteration"].to_list() == [0, 1]
    Counting.seen.append(None)
    whole = benchmark(grid, seed=1, path=tmp_path)
    assert len(whole) == 4
    assert len(Counting.seen) == 5


def test_what_cannot_be_fitted_in_a_worker_reaches_the_caller(iris):
    with pytest.raises(TrainingError, match=r"classif.log_reg: scikit-learn could not fit"):
        resample(iris.filter(iris.row_ids[:17]), lrn("classif.log_reg"), rsmp("cv", folds=2), n_jobs=2, seed=1)


def test_iterations_have_one_type_in_all_tables(grid):
    result = benchmark(grid, seed=1)
    tables = (result.predictions(), result.score("classif.ce"), result.errors())
    assert [table.schema["iteration"] for table in tables] == [pl.Int64] * 3


def test_a_learner_that_does_not_say_which_features_it_uses_scores_nan(iris):
    result = resample(iris, lrn("classif.knn"), rsmp("holdout"), seed=1, store_models=True)
    with pytest.warns(UserWarning, match="selected_features: undefined"):
        assert np.isnan(result.score("selected_features")["selected_features"][0])


def test_models_that_cannot_be_saved_do_not_stop_a_benchmark_in_a_folder(iris, tmp_path):
    with pytest.warns(UserWarning, match=r"jobs of 'classif\.tree' are not kept"):
        result = resample(iris, lrn("classif.tree"), rsmp("cv", folds=2), seed=1, store_models=True, path=tmp_path)
    assert len(result.learners()) == 2
    assert [f.name for f in tmp_path.iterdir()] == ["benchmark.json"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("fallback", "regr.lm", "is a regr learner"),
        ("fallback", "classif.featureless", "cannot predict 'prob'"),
        ("encapsulate", "evaluate", "encapsulate is 'none' or 'try', got 'evaluate'"),
    ],
)
def test_what_is_to_happen_on_a_failure_is_checked_before_anything_runs(iris, monkeypatch, field, value, message):
    monkeypatch.setattr(ClassifFeatureless, "predict_types", ("response",))
    learner = lrn("classif.lda", predict_type="prob")
    setattr(learner, field, lrn(value) if field == "fallback" else value)
    with pytest.raises((ConfigError, DataError), match=message):
        resample(iris, learner, rsmp("cv", folds=2), seed=1)


class Dies(ClassifFeatureless):
    """Ends its process where row 0 is tested, like one that the system kills."""

    def _train(self, task, valid):
        if 0 not in task.row_ids and joblib.parallel.get_active_backend()[0].nesting_level:
            os.kill(os.getpid(), signal.SIGKILL)
        return super()._train(task, valid)


class OddError(Exception):
    """Cannot be made again from its message."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def odd(message):
    return OddError(message, "more")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_fold_that_fails_leaves_the_others(iris, n_jobs, tmp_path):
    broken = Broken(fails=lambda ids: 0 not in ids, error=odd)
    grid = benchmark_grid(iris, [broken, lrn("classif.lda")], rsmp("cv", folds=3))
    error = OddError if n_jobs == 1 else TrainingError
    with pytest.raises(error, match="it broke and more") as caught:
        benchmark(grid, seed=1, n_jobs=n_jobs, path=tmp_path)
    result = caught.value.result
    assert caught.value.__notes__[0].startswith("1 of 6 jobs failed")
    assert result.errors()["message"].to_list() == ["OddError: it broke and more"]
    assert np.isnan(result.score("classif.acc")["classif.acc"].to_list()).sum() == 1
    assert len(list(tmp_path.glob("*.safetensors"))) == 5
    kept = benchmark(grid, seed=1, n_jobs=n_jobs, errors="keep")
    assert kept.predictions().equals(result.predictions())
    with pytest.raises(ConfigError, match="errors is 'raise' or 'keep', got 'ignore'"):
        benchmark(grid, errors="ignore")


def test_a_fallback_that_fails_is_an_error(iris):
    broken = Broken()
    broken.fallback = Broken(id="too", error=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError, match="it broke") as caught:
        resample(iris, broken, rsmp("holdout"), seed=1)
    assert caught.value.__notes__[-1] == "in the fallback of learner 'broken'"


def test_a_fallback_without_a_seed_gets_that_of_the_job(iris):
    def resampled(seed):
        broken = Broken()
        broken.fallback = lrn("classif.featureless", method="sample")
        return resample(iris, broken, rsmp("cv", folds=2), seed=seed).predictions()

    assert resampled(1).equals(resampled(1))
    assert not resampled(1)["response"].equals(resampled(2)["response"])


def test_a_worker_that_is_killed_leaves_what_is_done(iris):
    cv = rsmp("cv", folds=3).instantiate(iris, seed=1)
    grid = benchmark_grid(iris, [lrn("classif.lda"), lrn("classif.featureless"), Dies(id="dies")], cv)
    with pytest.warns(BenchmarkWarning, match=r"a worker was killed .* of 9 jobs"):
        part = benchmark(grid, seed=1, n_jobs=2)
    assert 1 <= len(part) < 9
    assert part.score("classif.acc")["classif.acc"].is_not_nan().all()


@pytest.mark.parametrize(
    ("key", "measure", "message"),
    [
        ("classif.lda", "classif.auc", "classif.auc needs probabilities; set predict_type='prob' in the learner 'counting'"),
        ("classif.lda", "regr.mse", "regr.mse scores regr tasks, 'iris' is of type classif"),
        ("classif.lda", "classif.tpr", "classif.tpr is defined for two classes, the task 'iris' has more"),
    ],
)
def test_a_measure_that_cannot_be_scored_is_refused_before_anything_is_trained(iris, key, measure, message):
    with pytest.raises(ConfigError, match=message):
        resample(iris, Counting(id="counting"), rsmp("cv", folds=2), measure)
    assert not Counting.seen


def test_a_learner_that_answers_nan_leaves_the_others_scored():
    class Gaps(RegressorMixin, BaseEstimator):
        def fit(self, x, y):
            return self

        def predict(self, x):
            return np.where(np.arange(len(x)) == 0, np.nan, 0.0)

    line = as_task_regr({"x": np.arange(20.0), "y": np.arange(20.0)}, target="y")
    result = benchmark(benchmark_grid(line, [lrn("regr.lm"), as_learner(Gaps(), id="gaps")], rsmp("cv", folds=3)), seed=1)
    micro = msr("regr.mse", average="micro", id="micro")
    for table in (result.score, result.aggregate):
        with pytest.warns(MeasureWarning, match="a learner predicts nothing for some rows"):
            scores = table(["regr.mse", micro])
        gaps = scores["learner_id"] == "gaps"
        assert scores.filter(~gaps)["regr.mse"].max() < 1e-9
        assert scores.filter(gaps)["regr.mse"].is_nan().all()
    assert scores.filter(gaps)["micro"].is_nan().all()


def test_seeds_of_jobs_differ_between_tasks_and_resamplings(iris):
    resample(iris, Counting(), rsmp("cv", folds=2), seed=1)
    resample(iris.with_id("other"), Counting(), rsmp("cv", folds=2), seed=1)
    resample(iris, Counting(), rsmp("cv", folds=2, id="another"), seed=1)
    assert len({seed for *_, seed in Counting.seen}) == 6
