"""Tuning: ranges, searches with known answers, what is seen of the data, saving."""

import math
import subprocess
import sys

import numpy as np
import pytest

from pipeops import (
    Learner,
    PredictionRegr,
    as_learner,
    as_task_classif,
    as_task_regr,
    auto_tuner,
    load_learner,
    lrn,
    measure,
    nn,
    po,
    resample,
    rsmp,
    to_tune,
)
from pipeops.errors import ConfigError, TrainingError, UnknownParameterError
from pipeops.learn.tuning.hyperband import brackets
from pipeops.learn.tuning.limits import Limits
from pipeops.learn.tuning.ranges import label
from pipeops.learn.tuning.space import search_space
from pipeops.params import Param, Parameterized, Params, Setting

pytest.importorskip("optuna")


class Parabola(Learner):
    """Predicts the distance of (x, k) from (0.3, 4), so that the mean squared error is known; notes the rows it saw."""

    task_type = "regr"
    predict_type = "response"

    def __init__(self, seen=None, **values):
        super().__init__("parabola")
        self.seen = [] if seen is None else seen
        self.kinds = {"x": Param("real", 0, 1), "k": Param("integer", 0, 9), "c": Param("choice", options=("a", "b"))}
        self.values = {"x": 0.0, "k": 0, "c": "a", "seed": None} | values

    def own_params(self):
        kinds = self.kinds | {"seed": Param("anything", default=None)}
        return {n: Setting(kinds[n], v) for n, v in self.values.items()}

    def _set_param(self, name, value):
        self.values[name] = value

    def clone(self):
        return Parabola(self.seen, **self.values)

    def _train(self, task, valid):
        v = self.values
        self.seen.append((set(task.row_ids.tolist()), v["seed"]))
        if v["x"] > 0.98:
            raise TrainingError("x is too large")
        return math.hypot(v["x"] - 0.3, (v["k"] - 4) / 10, 1.0 if v["c"] == "a" else 0.0)

    def _predict(self, task, model):
        self.seen.append((set(task.row_ids.tolist()), "predict"))
        truth = task.truth()
        return PredictionRegr(row_ids=task.row_ids, truth=truth, response=truth + model)


def space():
    return {"x": to_tune(), "k": to_tune(0, 9), "c": to_tune()}


@pytest.fixture
def line():
    return as_task_regr({"x": np.arange(30.0).tolist(), "y": np.arange(30.0).tolist()}, target="y", id="line")


def tuner(learner=None, ranges=None, **options):
    settings = {"resampling": rsmp("holdout"), "n_trials": 60, "seed": 1} | options
    return auto_tuner(Parabola() if learner is None else learner, space() if ranges is None else ranges, **settings)


def test_the_optimum_of_a_known_function_is_found(line):
    best = tuner().train(line).best_params
    assert best["c"] == "b"
    assert abs(best["k"] - 4) <= 1
    assert abs(best["x"] - 0.3) < 0.1


def test_the_archive_has_every_trial_with_its_score(line):
    trained = tuner(n_trials=20, pruner=None).train(line)
    archive = trained.archive
    assert archive.columns == ["trial", "state", "x", "k", "c", "regr.mse", "seconds", "error"]
    assert archive["trial"].to_list() == list(range(20))
    done = archive.filter(archive["state"] == "complete")
    expected = (done["x"] - 0.3) ** 2 + ((done["k"] - 4) / 10) ** 2 + (done["c"] == "a").cast(float)
    np.testing.assert_allclose(done["regr.mse"], expected)
    assert trained.tuning_result["regr.mse"].item() == done["regr.mse"].min()
    assert trained.tuning_result.select("x", "k", "c").to_dicts() == [trained.best_params]


def test_a_measure_to_be_maximised(line):
    closeness = measure("close", lambda truth, response: -abs(truth - response).max(), minimize=False)
    trained = tuner(measure=closeness, n_trials=30).train(line)
    assert trained.tuning_result["close"].item() == trained.archive["close"].max()


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_seed_gives_the_same_trials(line, sampler):
    one, two, other = (tuner(seed=s, sampler=sampler, n_trials=12).train(line).archive.drop("seconds") for s in (5, 5, 6))
    assert one.equals(two)
    assert not one.equals(other)


def test_without_a_seed_one_is_drawn_and_kept(line):
    first = tuner(seed=None, n_trials=4).train(line)
    again = tuner(seed=first.model.seed, n_trials=4).train(line)
    assert first.archive.drop("seconds").equals(again.archive.drop("seconds"))


def test_the_final_learner_has_the_best_configuration_and_all_rows(line):
    learner = Parabola()
    trained = tuner(learner, n_trials=8).train(line)
    trains = [rows for rows, seed in learner.seen if seed != "predict"]
    assert trains[-1] == set(range(30))
    assert {len(rows) for rows in trains[:-1]} == {20}
    assert {n: trained.learner.params[n] for n in ("x", "k", "c")} == trained.best_params
    assert trained.predict(line).score() == pytest.approx(trained.learner.model**2)


def test_the_users_learner_is_left_alone(line):
    learner = Parabola(x=to_tune(0, 0.5))
    before = dict(learner.values)
    tuner(learner, {}, n_trials=3).train(line)
    assert learner.values == before
    assert not learner.is_trained


def test_nested_resampling_never_shows_the_test_rows(line):
    learner = Parabola()
    outer = rsmp("cv", folds=3).instantiate(line, seed=1)
    resample(line, tuner(learner, resampling=rsmp("cv", folds=2), n_trials=3), outer)
    per_fold = 3 * 2 * 2 + 1 + 1
    assert len(learner.seen) == 3 * per_fold
    for i in range(3):
        *inside, (tested, how) = learner.seen[i * per_fold : (i + 1) * per_fold]
        assert how == "predict"
        assert tested == set(outer.test_set(i).tolist())
        assert set.union(*(rows for rows, _ in inside)) == set(outer.train_set(i).tolist())


def test_all_trials_share_sets_and_seeds(line):
    learner = Parabola()
    tuner(learner, resampling=rsmp("cv", folds=2), n_trials=3, pruner=None).train(line)
    folds = [(frozenset(rows), seed) for rows, seed in learner.seen[:-1] if seed != "predict"]
    assert len(folds) == 6
    assert len(set(folds)) == 2


def test_an_instantiated_resampling_is_drawn_anew_for_the_rows_at_hand(line):
    sets = rsmp("cv", folds=2).instantiate(line, seed=1)
    learner = Parabola()
    tuner(learner, resampling=sets, n_trials=1).train(line, rows=list(range(10)))
    assert set.union(*(rows for rows, _ in learner.seen)) == set(range(10))


def test_a_failed_trial_is_noted_and_does_not_stop_the_search(line):
    trained = tuner(ranges={"x": to_tune([0.99, 0.2])}, n_trials=10).train(line)
    failed = trained.archive.filter(trained.archive["x"] == 0.99)
    assert set(failed["state"]) == {"failed"}
    assert set(failed["error"]) == {"x is too large"}
    assert trained.best_params == {"x": 0.2}


def test_when_all_trials_fail_the_reason_is_told(line):
    with pytest.raises(TrainingError, match="none of 3 trials was completed; the last error was: x is too large"):
        tuner(ranges={"x": to_tune([0.99])}, n_trials=3).train(line)


def test_other_errors_come_through(line):
    with pytest.raises(ZeroDivisionError):
        tuner(measure=measure("broken", lambda truth, response: 1 / 0, minimize=True), n_trials=3).train(line)


def test_pruning_by_fold(line):
    import optuna

    class Never(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.number > 0

    learner = Parabola()
    trained = tuner(learner, resampling=rsmp("cv", folds=3), n_trials=2, pruner=Never()).train(line)
    assert trained.archive["state"].to_list() == ["complete", "pruned"]
    assert trained.archive["regr.mse"][1] is None
    assert sum(seed != "predict" for _, seed in learner.seen) == 3 + 1 + 1


def test_micro_average_scores_all_rows_at_once(line):
    from pipeops import msr

    count = measure("rows", lambda truth, response: float(len(truth)), minimize=False, average="micro")
    settings = {"ranges": {"c": to_tune()}, "n_trials": 1, "resampling": rsmp("cv", folds=3)}
    assert tuner(measure=count, **settings).train(line).archive["rows"].to_list() == [30.0]
    assert tuner(measure=msr("regr.mse"), **settings).train(line).archive.columns[3] == "regr.mse"


def test_what_depends_on_a_choice_is_tuned_where_it_matters(line):
    ranges = {"x": to_tune(0.1, 0.9, when={"c": "b"}), "c": to_tune(), "k": to_tune(1, 9, when={"x": [0.1], "c": "b"})}
    trained = tuner(ranges=ranges, n_trials=12, sampler="random").train(line)
    archive = trained.archive
    assert (archive["x"].is_null() == (archive["c"] == "a")).all()
    assert archive["k"].is_null().all(), "x is never just 0.1"
    assert set(trained.best_params) == {"c", "x"}
    with pytest.raises(UnknownParameterError, match="no hyperparameter 'd'"):
        tuner(ranges={"x": to_tune(0.1, 0.9, when={"d": 1})})


def test_what_depends_on_a_fixed_value(line):
    ranges = {"x": to_tune(0.1, 0.9, when={"c": "b"}), "k": to_tune(1, 9)}
    assert "x" not in tuner(ranges=ranges, n_trials=2).train(line).best_params
    assert "x" in tuner(Parabola(c="b"), ranges, n_trials=2).train(line).best_params


def test_a_range_may_be_transformed(line):
    trained = tuner(ranges={"x": to_tune(-3.0, 0.0, trafo=lambda e: 10**e - 1e-3)}, n_trials=20).train(line)
    assert trained.archive["x"].is_between(0, 1 - 1e-3).all()
    assert trained.learner.params["x"] == trained.best_params["x"]


def test_a_grid_has_every_combination_once(line):
    ranges = {"c": to_tune(), "k": to_tune(2, 4), "x": to_tune(0.0, 1.0, when={"c": "b"})}
    archive = tuner(ranges=ranges, n_trials=None, sampler="grid", resolution=3).train(line).archive
    found = set(archive.select("c", "k", "x").rows())
    assert found == {("a", k, None) for k in (2, 3, 4)} | {("b", k, x) for k in (2, 3, 4) for x in (0.0, 0.5, 1.0)}
    assert len(archive) == 12
    assert len(tuner(ranges=ranges, n_trials=5, sampler="grid").train(line).archive) == 5


def test_when_a_search_ends(line):
    at_once = tuner(n_trials=None, seconds=0.0)
    with pytest.raises(TrainingError, match="none of 0 trials"):
        at_once.train(line)
    reached = tuner(n_trials=200, target=0.05, sampler="random").train(line).archive["regr.mse"].to_list()
    assert reached[-1] <= 0.05 < min(reached[:-1])
    stalled = tuner(n_trials=None, stagnation=3, sampler="random").train(line).archive["regr.mse"].to_list()
    best = stalled.index(min(stalled))
    assert best == len(stalled) - 4


@pytest.mark.parametrize(
    ("limits", "losses", "minimize", "ends"),
    [
        (Limits(n_trials=2), [1.0], True, False),
        (Limits(n_trials=2), [math.inf, 1.0], True, True),
        (Limits(seconds=4), [1.0], True, False),
        (Limits(seconds=2), [1.0], True, True),
        (Limits(stagnation=2), [1.0, 2.0], True, False),
        (Limits(stagnation=2), [1.0, 2.0, math.inf], True, True),
        (Limits(stagnation=2), [1.0, 2.0, 0.5], True, False),
        (Limits(stagnation=1), [math.inf, math.inf], True, False),
        (Limits(target=0.5), [0.6], True, False),
        (Limits(target=0.5), [0.6, 0.5, 0.7], True, True),
        (Limits(target=0.9), [-0.8], False, False),
        (Limits(target=0.9), [-0.8, -0.95], False, True),
        (Limits(target=-5.0), [math.inf], False, False),
        (Limits(n_trials=9, stagnation=1), [1.0, 1.0], True, True),
    ],
    ids=range(14),
)
def test_each_limit_by_hand(limits, losses, minimize, ends):
    assert limits.reached(losses, minimize, seconds=3.0) is ends


def test_of_several_measures_the_front_is_shown(line):
    flat = measure("flat", lambda truth, response: float(response[0] - truth[0]), minimize=False)
    trained = tuner(measure=["regr.mse", flat], n_trials=20, sampler="random").train(line)
    archive = trained.archive.filter(trained.archive["state"] == "complete")
    points = archive.select("regr.mse", "flat").rows()
    front = [p for p in points if not any(a <= p[0] and b >= p[1] and (a, b) != p for a, b in points)]
    assert trained.tuning_result.select("regr.mse", "flat").rows() == front
    assert trained.archive["regr.mse"][trained.model.best] == archive["regr.mse"].min()


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_trials_in_batches_are_those_of_one_by_one(line, sampler):
    one, four = (tuner(sampler=sampler, n_trials=9, n_parallel=n, resampling=rsmp("cv", folds=3)) for n in (1, 4))
    assert one.train(line).archive.drop("seconds").equals(four.train(line).archive.drop("seconds"))


def test_hyperparameters_keep_their_types_in_the_archive(line):
    def first(frame):
        return frame.columns[:1]

    options = {"k": [1, 2], "c": ["a", "b"], "x": [0.25, 0.5]}
    archive = tuner(ranges={n: to_tune(v) for n, v in options.items()}, sampler="grid", n_trials=None).train(line).archive
    assert {n: {type(v) for v in archive[n].to_list()} for n in "kcx"} == {"k": {int}, "c": {str}, "x": {float}}
    learner = as_learner(po("select", selector=to_tune([first, None, ("x",)])) >> lrn("regr.lm"))
    made = auto_tuner(learner, None, rsmp("holdout"), "regr.mse", sampler="grid").train(line)
    assert made.archive["select.selector"].to_list() == ["first", "None", '("x",)']
    mixed = auto_tuner(lrn("regr.tree"), {"max_features": to_tune([1, "sqrt", 0.5])}, rsmp("holdout"), "regr.mse", sampler="grid")
    assert [type(v) for v in mixed.train(line).archive["max_features"].to_list()] == [int, str, float]


def test_objects_to_choose_from_are_shown_by_their_labels(line):
    learners = {"mean": lrn("regr.featureless"), "line": lrn("regr.lm")}
    learner = as_learner(po("proxy", content=to_tune(learners)))
    made = auto_tuner(learner, None, rsmp("holdout"), "regr.mse", sampler="grid", seed=1).train(line)
    assert made.archive["proxy.content"].to_list() == ["mean", "line"]
    assert made.best_params["proxy.content"] is learners["line"]
    ranges = {"proxy.content": to_tune(learners), "scale.center": to_tune(when={"proxy.content": "line"})}
    graph = as_learner(po("scale") >> po("proxy", content=learners["mean"]))
    archive = auto_tuner(graph, ranges, rsmp("holdout"), "regr.mse", sampler="grid", seed=1).train(line).archive
    assert archive.select("proxy.content", "scale.center").rows() == [("mean", None), ("line", True), ("line", False)]
    assert label([max, min, max], 2) == "max_2"
    assert repr(to_tune({"a": 1})) == 'to_tune({"a": 1})'


def test_a_whole_configuration_may_be_transformed(line):
    ranges = {"radius": to_tune(0.0, 0.5), "turns": to_tune(1, 3), "c": to_tune(["b"])}

    def trafo(config):
        return {"c": config["c"], "x": config["radius"] / config["turns"], "k": config["turns"]}

    trained = tuner(ranges=ranges, trafo=trafo, n_trials=5).train(line)
    archive = trained.archive
    assert archive.columns[2:7] == ["c", "radius", "turns", "x", "k"]
    assert (archive["x"] == archive["radius"] / archive["turns"]).all()
    assert set(trained.best_params) == {"c", "x", "k"}
    assert trained.learner.params["x"] == trained.best_params["x"] == trained.tuning_result["x"].item()
    with pytest.raises(UnknownParameterError, match="'radius'"):
        tuner(ranges=ranges)
    with pytest.raises(ConfigError, match="trafo answers a dictionary"):
        tuner(ranges=ranges, trafo=lambda config: 3).train(line)


def test_a_condition_that_no_trial_meets_is_refused():
    for wanted, message in (("z", "must be one of"), ("a", r"never is this when it is searched over to_tune\(\[\"b\"\]\)")):
        with pytest.raises(ConfigError, match=f"'x' is tuned where 'c' is \"{wanted}\", but 'c' {message}"):
            tuner(ranges={"c": to_tune(["b"]), "x": to_tune(0.1, 0.9, when={"c": wanted})})
    with pytest.raises(ConfigError, match="'k' is 8, but 'k' never is"):
        tuner(ranges={"k": to_tune(1, 7), "x": to_tune(0.1, 0.9, when={"k": [3, 8]})})


def test_brackets_are_those_of_the_paper():
    starts = [(s[0].n, s[0].budget) for s in brackets(1, 81, 3)]
    assert starts == [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]
    assert [(s.n, s.budget) for s in brackets(1, 81, 3)[0]] == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert [[s.budget for s in b] for b in brackets(0.25, 1, 2)] == [[0.25, 0.5, 1.0], [0.5, 1.0], [1.0]]


def test_hyperband_gives_the_better_half_twice_as_much(line):
    ranges = {"x": to_tune(0.0, 1.0), "c": to_tune(["b"]), "k": to_tune(1, 4)}
    trained = tuner(ranges=ranges, sampler="hyperband", budget="k", n_trials=None, n_parallel=3).train(line)
    archive = trained.archive
    assert archive.group_by("bracket", "stage", maintain_order=True).len().rows() == [
        (2, 0, 4), (2, 1, 2), (2, 2, 1), (1, 0, 3), (1, 1, 1), (0, 0, 3)]  # fmt: skip
    first, second = archive[:4], archive[4:6]
    assert first["k"].to_list() == [1] * 4
    assert second["k"].to_list() == [2] * 2
    assert second["x"].to_list() == first.sort("regr.mse", nulls_last=True)["x"].to_list()[:2]
    again = tuner(ranges=ranges, sampler="hyperband", budget="k", n_trials=None).train(line).archive
    assert archive.drop("seconds").equals(again.drop("seconds"))
    share = as_learner(po("subsample", frac=to_tune(0.25, 1.0)) >> lrn("regr.tree", max_depth=to_tune(1, 3)))
    made = auto_tuner(share, None, rsmp("holdout"), "regr.mse", 4, sampler="hyperband", budget="subsample.frac").train(line)
    assert made.archive["subsample.frac"].to_list() == [0.25] * 4


def test_an_encapsulated_learner_fails_alone_and_its_fallback_is_scored(line):
    class Fragile(Parabola):
        def clone(self):
            new = Fragile(self.seen, **self.values)
            new.fallback, new.encapsulate = self.fallback, self.encapsulate
            return new

        def _train(self, task, valid):
            if self.values["c"] == "b":
                raise ZeroDivisionError("of c")
            return super()._train(task, valid)

    learner = Fragile()
    settings = {"ranges": {"c": to_tune()}, "sampler": "grid", "n_trials": None}
    with pytest.raises(ZeroDivisionError):
        tuner(learner, **settings).train(line)
    learner.encapsulate = "try"
    archive = tuner(learner, **settings).train(line).archive
    assert archive["state"].to_list() == ["complete", "failed"]
    learner.fallback = lrn("regr.featureless")
    archive = tuner(learner, **settings).train(line).archive
    assert archive["error"].to_list() == [None, "of c"]
    assert archive["regr.mse"][1] > archive["regr.mse"][0] > 1


def test_every_fold_of_a_trial_has_a_seed_of_its_own_and_every_trial_the_same(line):
    learner = Parabola()
    tuner(learner, resampling=rsmp("cv", folds=3), n_trials=4, n_parallel=2).train(line)
    seeds = [seed for _, seed in learner.seen if seed != "predict"][:-1]
    assert len(seeds) == 12
    assert len(set(seeds)) == 3


def test_the_final_fit_gets_the_validation_data(line):
    class Validating(Parabola):
        validates_on = "predefined"

        def clone(self):
            return Validating(self.seen, **self.values)

        def _train(self, task, valid):
            self.seen.append(("valid", valid))
            return super()._train(task, valid)

    learner, other = Validating(), line.with_id("other")
    tuner(learner, n_trials=2).train(line, valid=other)
    assert [v for what, v in learner.seen if what == "valid"] == [other] * 3


# ---------------------------------------------------------------- ranges


def dimensions(token, kind, *bounds, **more):
    class Thing(Parameterized):
        def own_params(self):
            return {"p": Setting(Param(kind, *bounds, **more), token)}

    (found,) = search_space(Params(Thing(), "thing"), {})
    return found.kind, found.low, found.high, found.options


@pytest.mark.parametrize(
    ("token", "param", "expected"),
    [
        (to_tune(0.1, 0.5), ("real",), ("real", 0.1, 0.5, ())),
        (to_tune(1, 5), ("real",), ("real", 1.0, 5.0, ())),
        (to_tune(1, 5), ("integer",), ("integer", 1, 5, ())),
        (to_tune(1.0, 5.0), ("integer",), ("integer", 1, 5, ())),
        (to_tune(1, 5), ("anything",), ("integer", 1, 5, ())),
        (to_tune(1, 5.5), ("anything",), ("real", 1.0, 5.5, ())),
        (to_tune(0, 1), ("real", 0, 1), ("real", 0.0, 1.0, ())),
        (to_tune(), ("real", 0, 1), ("real", 0.0, 1.0, ())),
        (to_tune(high=7), ("integer", 2), ("integer", 2, 7, ())),
        (to_tune(), ("flag",), ("choice", None, None, (True, False))),
        (to_tune([2, 4]), ("integer",), ("choice", None, None, (2, 4))),
    ],
)
def test_a_range_takes_its_kind_from_the_hyperparameter(token, param, expected):
    assert dimensions(token, *param) == expected


def test_a_range_from_0_to_1_is_one_of_numbers_or_refused():
    assert dimensions(to_tune(0, 1), "anything", default=0.5)[:3] == ("real", 0.0, 1.0)
    assert dimensions(to_tune(0, 1), "anything", default=3)[:3] == ("integer", 0, 1)
    for default in (None, "scale", False):
        with pytest.raises(ConfigError, match=r"to_tune\(0.0, 1.0\), or over just these two, to_tune\(\[0, 1\]\)"):
            dimensions(to_tune(0, 1), "anything", default=default)


def test_a_choice_has_its_own_options():
    assert dimensions(to_tune(), "choice", options=("a", "b"))[3] == ("a", "b")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: to_tune(3, 1), "smaller than the upper"),
        (lambda: to_tune(0, 1, log=True), "positive lower bound"),
        (lambda: to_tune([]), "different values"),
        (lambda: to_tune([1, 1]), "different values"),
        (lambda: to_tune([1], 2), "neither an upper bound"),
        (lambda: to_tune("a"), "must be a number"),
        (lambda: to_tune(True, 2), "must be a number"),
        (lambda: nn("dropout", p=to_tune(0, 2)), r"must be in \[0, 1\], got to_tune\(0, 2\)"),
        (lambda: nn("dropout", p=to_tune(["a"])), "must be a number"),
        (lambda: nn("dropout", p=to_tune(log=True)), "log scale from 0"),
        (lambda: nn("linear", out_features=to_tune()), "no bounds of its own"),
        (lambda: nn("linear", out_features=to_tune(1.5, 4)), "must be an integer"),
        (lambda: nn("linear", out_features=2, bias=to_tune(0, 1)), "lists what to try"),
        (lambda: tuner(n_trials=0), "n_trials"),
        (lambda: tuner(n_trials=2.0), "n_trials"),
        (lambda: tuner(resampling="cv"), "needs a resampling"),
        (lambda: tuner(sampler="bayes"), "'tpe', 'random'"),
        (lambda: tuner(n_trials=None), "say when the search ends"),
        (lambda: tuner(seconds="1"), "'seconds' must be a number"),
        (lambda: tuner(stagnation=0), "'stagnation' must be an integer"),
        (lambda: tuner(n_parallel=0), "'n_parallel' must be an integer"),
        (lambda: tuner(n_parallel=2, pruner="median"), "watches one trial at a time"),
        (lambda: tuner(ranges={"x": to_tune(0.1, 1, when={"k": 1}), "k": to_tune(1, 2, when={"x": 0.5})}), "in a circle"),
        (lambda: to_tune(1, 2, when="k"), "when is a dictionary"),
        (lambda: to_tune(1, 2, trafo=3), "trafo is a function"),
        (lambda: tuner(ranges={"k": to_tune(1, 9, trafo=lambda k: k * 2)}), r"must be in \[0, 9\]"),
        (lambda: tuner(pruner="mean"), "'median'"),
        (lambda: tuner(pruner="median", sampler="grid"), "needs the score of each of its trials"),
        (lambda: tuner(sampler="hyperband"), "'x', 'k'; got None"),
        (lambda: tuner(sampler="hyperband", budget="x"), "positive numbers"),
        (lambda: tuner(budget="x"), 'is for sampler="hyperband"'),
        (lambda: tuner(trafo=3), "trafo is a function"),
        (lambda: tuner(measure="internal_valid_score"), "parabola does not"),
        (lambda: tuner(ranges={"x": 0.3}), r"needs a range, to_tune\(...\), got 0.3"),
        (lambda: tuner(ranges={"k": to_tune(0, 50)}), r"must be in \[0, 9\]"),
        (lambda: tuner(ranges={"k": to_tune(high=5, internal=True)}), "this learner finds nothing"),
        (lambda: tuner(ranges={}), "nothing to tune"),
        (lambda: tuner(measure="classif.ce"), "is for classif"),
        (lambda: tuner(measure=lambda truth, response: 0.0), "direction"),
        (lambda: auto_tuner(lrn("classif.knn"), {"n_neighbors": to_tune(1, 3)}, rsmp("holdout"), "classif.auc", 2), "prob"),
        (lambda: auto_tuner("knn", {}, rsmp("holdout"), None, 2), "takes a learner"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_an_unknown_address_is_refused_with_a_near_one():
    learner = lrn("classif.knn")
    with pytest.raises(UnknownParameterError, match="n_neighbors"):
        auto_tuner(learner, {"n_neighbours": to_tune(1, 3)}, rsmp("holdout"), None, 2)


def test_ranges_can_be_pasted_back():
    for text in (
        "to_tune(1, 3)",
        "to_tune(0.1, 1.0, log=True)",
        'to_tune(["a", "b"])',
        "to_tune()",
        "to_tune(high=9, internal=True)",
    ):
        assert repr(eval(text)) == text


def test_tuned_hyperparameters_are_not_settable_and_others_are():
    made = tuner(ranges={"x": to_tune()})
    assert set(made.params) == {"k", "c", "seed"}
    copy = made.clone()
    copy.params["k"] = 3
    assert (copy.params["k"], made.params["k"]) == (3, 0)
    with pytest.raises(ConfigError, match="'x' is tuned"):
        made.params["x"] = 0.5


# ---------------------------------------------------------------- graphs


@pytest.fixture
def blobs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    y = np.where(x[:, 0] + 0.3 * rng.normal(size=120) > 0, "up", "down")
    return as_task_classif({"a": x[:, 0].tolist(), "b": x[:, 1].tolist(), "y": y.tolist()}, target="y", id="blobs")


def network(lr=0.05, epochs=4, validate=None, hidden=4, **end):
    graph = po("torch_ingress_num") >> nn("linear", out_features=hidden) >> nn("relu") >> nn("head")
    graph = graph >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer", optimizer="adam", lr=lr)
    end = {"batch_size": 16, "predict_type": "prob"} | end
    return as_learner(graph >> po("torch_model_classif", epochs=epochs, **end), id="net", validate=validate)


def test_a_range_left_over_is_refused_by_name(blobs):
    learner = network(lr=to_tune(1e-3, 1))
    with pytest.raises(ConfigError, match="net: 'torch_optimizer.lr' is still to be tuned"):
        learner.train(blobs)
    with pytest.raises(ConfigError, match="'torch_optimizer.lr' is still to be tuned"):
        learner.graph.train(blobs)
    with pytest.raises(ConfigError, match="classif.knn: 'n_neighbors' is still to be tuned"):
        lrn("classif.knn", n_neighbors=to_tune(1, 3)).train(blobs)


def test_architecture_loss_and_learning_rate_of_a_graph(blobs, tmp_path):
    learner = network(lr=to_tune(1e-3, 1, log=True), hidden=to_tune([2, 8]))
    ranges = {"torch_loss.loss": to_tune(["cross_entropy", "aum"]), "linear.out_features": to_tune(1, 9)}
    made = auto_tuner(learner, ranges, rsmp("cv", folds=2), "classif.auc", 4, seed=3)
    one, two = made.clone().train(blobs), made.clone().train(blobs)
    assert one.archive.drop("seconds").equals(two.archive.drop("seconds"))
    assert set(one.best_params) == {"linear.out_features", "torch_loss.loss", "torch_optimizer.lr"}
    assert one.learner.network.linear.weight.shape == (one.best_params["linear.out_features"], 2)
    np.testing.assert_array_equal(one.predict(blobs).prob, two.predict(blobs).prob)
    one.save(tmp_path / "tuner")
    loaded = load_learner(tmp_path / "tuner")
    np.testing.assert_array_equal(loaded.predict(blobs).prob, one.predict(blobs).prob)
    assert loaded.archive.equals(one.archive)
    assert loaded.best_params == one.best_params
    assert loaded.params.keys() == one.params.keys()


def test_a_choice_of_loss_and_of_optimizer_may_stand_in_the_graph(blobs):
    loss, optimizer = (
        po("torch_loss", loss=to_tune(["cross_entropy", "aum"])),
        po("torch_optimizer", optimizer=to_tune(["adam", "sgd"])),
    )
    assert repr(loss) == 'po("torch_loss", loss=to_tune(["cross_entropy", "aum"]))'
    end = po("torch_model_classif", epochs=2, batch_size=16)
    graph = po("torch_ingress_num") >> nn("head") >> loss >> optimizer >> end
    with pytest.raises(ConfigError, match="'torch_loss.loss' is still to be tuned"):
        graph.train(blobs)
    made = auto_tuner(as_learner(graph), None, rsmp("holdout"), None, 4, seed=1).train(blobs)
    chosen = made.learner.graph["torch_optimizer"].optimizer
    assert chosen.key == made.best_params["torch_optimizer.optimizer"]
    with pytest.raises(ConfigError, match="search_space of auto_tuner"):
        po("torch_optimizer", optimizer=to_tune(["adam", "sgd"]), lr=0.1)


def test_an_optimizer_is_chosen_with_its_learning_rate(blobs):
    ranges = {"torch_optimizer.optimizer": to_tune(["adam", "sgd"])}
    made = auto_tuner(network(lr=to_tune(0.2, 0.3)), ranges, rsmp("holdout"), None, 4, seed=1).train(blobs)
    assert set(made.archive["torch_optimizer.optimizer"]) == {"adam", "sgd"}
    assert made.learner.params["torch_optimizer.lr"] == made.best_params["torch_optimizer.lr"]
    assert 0.2 <= made.best_params["torch_optimizer.lr"] <= 0.3


def test_an_untrained_tuner_is_saved_with_its_ranges(blobs, tmp_path):
    made = auto_tuner(network(lr=to_tune(1e-3, 1, log=True)), None, rsmp("cv", folds=2), "classif.ce", 2, seed=3)
    made.save(tmp_path / "tuner")
    assert load_learner(tmp_path / "tuner").train(blobs).best_params == made.train(blobs).best_params


def test_pruning_by_epoch_stops_a_run_in_its_first_fold(blobs):
    import optuna

    steps = {}

    class Second(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            steps.setdefault(trial.number, []).append(trial.last_step)
            return trial.number == 1 and trial.last_step == 3

    learner = network(epochs=6, validate=0.3, measures_valid=["classif.auc"])
    ranges = {"torch_optimizer.lr": to_tune(1e-3, 0.1)}
    made = auto_tuner(learner, ranges, rsmp("cv", folds=2), "classif.ce", 3, seed=1, pruner=Second()).train(blobs)
    assert made.archive["state"].to_list() == ["complete", "pruned", "complete"]
    assert steps == {0: [1, 2, 3, 4, 5, 6], 1: [1, 2, 3], 2: [1, 2, 3, 4, 5, 6]}
    assert made.learner.history.columns == ["epoch", "train.loss", "valid.classif.auc"]


@pytest.mark.parametrize(("watched", "sign"), [("classif.auc", -1), ("classif.logloss", 1)])
def test_what_is_reported_is_better_in_the_direction_of_the_search(blobs, watched, sign):
    import optuna

    reported = []

    class Note(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            reported.append(trial.intermediate_values[trial.last_step])
            return False

    learner = network(epochs=2, validate=0.3, measures_valid=[watched], seed=1)
    ranges = {"torch_optimizer.lr": to_tune([0.01])}
    auto_tuner(learner, ranges, rsmp("holdout"), "classif.ce", 1, seed=1, pruner=Note()).train(blobs)
    assert len(reported) == 2
    assert all(sign * value > 0 for value in reported)


def test_the_archive_has_each_trials_validation_history_and_its_score_may_be_tuned_by(blobs):
    learner = network(epochs=3, validate="test", measures_valid=["classif.auc"])
    ranges = {"torch_optimizer.lr": to_tune([0.01, 0.1])}
    settings = {"measure": "internal_valid_score", "seed": 1, "sampler": "grid"}
    with pytest.raises(ConfigError, match="neither a high nor a low"):
        auto_tuner(network(validate=0.3, measures_valid=["debug_classif"]), ranges, rsmp("holdout"), **settings)
    learner.validate = 0.3
    made = auto_tuner(learner, ranges, rsmp("cv", folds=2), **settings).train(blobs)
    archive = made.archive
    assert [[len(fold) for fold in trial] for trial in archive["history"].to_list()] == [[3, 3], [3, 3]]
    last = [np.mean([fold[-1] for fold in trial]) for trial in archive["history"].to_list()]
    assert archive["internal_valid_score"].to_list() == pytest.approx(last)
    assert made.model.best == int(np.argmax(last))


def test_without_cmaes_the_package_is_named(line, monkeypatch):
    monkeypatch.setattr("pipeops.learn.tuning.strategies.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install cmaes"):
        tuner(sampler="cmaes").train(line)


def test_epochs_are_tuned_internally_by_the_mean_of_the_best_ones(blobs, monkeypatch):
    from pipeops import GraphLearner

    found = []
    of_run = GraphLearner.internal_tuned_values.fget
    monkeypatch.setattr(
        GraphLearner,
        "internal_tuned_values",
        property(lambda self: found.append(of_run(self)["torch_model_classif.epochs"]) or of_run(self)),
    )
    learner = network(
        epochs=to_tune(high=8, internal=True), validate="test", measures_valid=["classif.logloss"], patience=2,
        restore_best_weights=True,
    )  # fmt: skip
    ranges = {"torch_optimizer.lr": to_tune([0.3])}
    made = auto_tuner(learner, ranges, rsmp("cv", folds=3), "classif.ce", 1, seed=2).train(blobs)
    monkeypatch.undo()
    epochs = found[::2] if len(found) == 6 else found
    assert len(epochs) == 3
    expected = math.ceil(np.mean(epochs))
    assert made.best_params["torch_model_classif.epochs"] == expected
    assert made.archive["torch_model_classif.epochs"].to_list() == [expected]
    final = made.learner
    assert final.validate is None
    assert final.params["torch_model_classif.patience"] == 0
    assert final.model["torch_model_classif"].epochs == expected
    assert learner.validate == "test"


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        (lambda: network(validate="test", lr=to_tune(0.01, 1)), "nothing to validate on"),
        (lambda: network(epochs=to_tune(high=3, internal=True)), "needs validation scores"),
    ],
)
def test_what_would_fail_after_the_search_is_refused_before_it(blobs, learner, message):
    made = auto_tuner(learner(), None, rsmp("holdout"), None, 2)
    with pytest.raises(ConfigError, match=message):
        made.train(blobs)


def test_without_optuna_the_extra_is_named(blobs, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    made = auto_tuner(lrn("classif.knn"), {"n_neighbors": to_tune(1, 3)}, rsmp("holdout"), None, 2)
    with pytest.raises(ImportError, match=r"pip install \"pipeops\[tune\]\""):
        made.train(blobs)


def test_optunas_log_level_is_put_back(line):
    import optuna

    before = optuna.logging.get_verbosity()
    tuner(n_trials=1).train(line)
    assert optuna.logging.get_verbosity() == before


def test_importing_the_names_does_not_load_optuna():
    code = "import sys, pipeops; pipeops.to_tune, pipeops.auto_tuner; print('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
