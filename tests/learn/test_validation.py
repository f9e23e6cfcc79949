"""Learners that validate while they train, known by one protocol alone: a learner of one's own, in a graph and in a node."""

import math

import numpy as np
import pytest

from pipeops import Learner, PredictionRegr, as_learner, as_task_regr, auto_tuner, lrn, msr, nn, po, ppl, resample, rsmp, to_tune
from pipeops.errors import ConfigError
from pipeops.params import Param, Setting

optuna = pytest.importorskip("optuna")


class Rounds(Learner):
    """Scores (round - best)^2 + shift after each round; the best round depends on the number of training rows."""

    task_type = "regr"
    predict_type = "response"
    validates_on = "test"
    watched = msr("regr.mse")
    internal_params = ("rounds",)

    def __init__(self, on_round=None, validating=True, **values):
        super().__init__("rounds")
        self.on_round, self.validating, self.values = on_round, validating, {"rounds": 9, "shift": 0.0} | values

    def own_params(self):
        kinds = {"rounds": Param("integer", 1, 50), "shift": Param("real", 0, 9)}
        return {n: Setting(kinds[n], v) for n, v in self.values.items()}

    def _set_param(self, name, value):
        self.values = {**self.values, name: value}

    def watching(self, on_round):
        return self.clone_with(on_round=on_round)

    def unvalidated(self):
        return self.clone_with(validating=False)

    def clone_with(self, **more):
        new = self.clone()
        vars(new).update(more)
        return new

    def _train(self, task, valid):
        assert (valid is not None) == self.validating
        best = task.nrow % 7 + 1
        scores = [(r - best) ** 2 + self.values["shift"] for r in range(1, self.values["rounds"] + 1)]
        for number, score in enumerate(scores, 1):
            if self.on_round and self.validating:
                self.on_round(number, score)
        return {"best": best, "scores": scores, "rounds": self.values["rounds"]}

    def internal_tuned(self, state):
        return {"rounds": state["best"]}

    def internal_scores(self, state):
        return {"regr.mse": min(state["scores"])} if self.validating else {}

    def _predict(self, task, model):
        return PredictionRegr(row_ids=task.row_ids, truth=task.truth(), response=np.zeros(task.nrow))


@pytest.fixture
def line():
    return as_task_regr({"x": np.arange(31.0).tolist(), "y": np.arange(31.0).tolist()}, target="y", id="line")


def wrapped(kind, **values):
    """The learner alone, as the end of a graph, and in a graph that is a learner in a graph."""
    learner = Rounds(**values)
    if kind == "alone":
        return learner, ""
    inner = as_learner(po("nop") >> learner, id="inner", validate="predefined" if kind == "nested" else "test")
    if kind == "graph":
        return inner, "rounds."
    return as_learner(po("scale") >> inner, validate="test"), "inner.rounds."


KINDS = ["alone", "graph", "nested"]


@pytest.mark.parametrize("kind", KINDS)
def test_rounds_are_tuned_internally_wherever_the_learner_stands(line, kind):
    learner, before = wrapped(kind)
    assert learner.watched == msr("regr.mse")
    assert learner.internal_params == (f"{before}rounds",)
    ranges = {f"{before}rounds": to_tune(high=20, internal=True), f"{before}shift": to_tune([1.0, 2.0])}
    made = auto_tuner(learner, ranges, rsmp("cv", folds=3), "regr.mse", 2, seed=1).train(line)
    sizes = [31 - n for n in (11, 10, 10)]
    assert made.best_params[f"{before}rounds"] == math.ceil(np.mean([n % 7 + 1 for n in sizes]))
    assert made.learner.params[f"{before}rounds"] == made.best_params[f"{before}rounds"]
    assert made.learner.internal_valid_scores == {}


@pytest.mark.parametrize("kind", KINDS)
def test_each_round_of_the_first_fold_is_told(line, kind):
    seen = []

    class Second(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            seen.append((trial.number, trial.last_step, trial.intermediate_values[trial.last_step]))
            return trial.number == 1 and trial.last_step == 2

    learner, before = wrapped(kind, rounds=3)
    # the final model needs something to validate on: valid= of train
    made = auto_tuner(
        learner, {f"{before}shift": to_tune([0.5])}, rsmp("cv", folds=3), "regr.mse", 2, seed=1, pruner=Second()
    ).train(line, valid=line)
    best = 20 % 7 + 1
    assert made.archive["state"].to_list() == ["complete", "pruned"]
    assert seen == [(t, r, (r - best) ** 2 + 0.5) for t, last in ((0, 3), (1, 2)) for r in range(1, last + 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_validation_score_is_a_measure_to_tune_by(line, kind):
    learner, before = wrapped(kind)
    measure = msr("internal_valid_score", select="regr.mse", minimize=True)
    made = auto_tuner(learner, {f"{before}shift": to_tune([3.0, 0.25, 2.0])}, rsmp("holdout"), measure, 6, seed=1)
    made.train(line, valid=line)
    assert set(made.archive["internal_valid_score"]) <= {3.0, 0.25, 2.0}
    assert made.best_params[f"{before}shift"] == 0.25
    assert made.learner.internal_valid_scores == {"regr.mse": 0.25}
    assert made.learner.internal_tuned_values == {f"{before}rounds": 31 % 7 + 1}


def test_a_network_answers_the_same_questions(line):
    graph = (
        po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss="mse") >> po("torch_optimizer", optimizer="sgd", lr=0.01)
    )
    end = po("torch_model_regr", id="end", epochs=3, batch_size=16, seed=1, measures_valid=["regr.mae"], patience=1)
    learner = as_learner(po("scale") >> graph >> end, validate=0.3)
    assert (learner.watched.id, learner.internal_params) == ("regr.mae", ("end.epochs",))
    told = []
    copy = learner.watching(lambda number, score: told.append((number, score))).train(line)
    assert told == list(enumerate(copy.history["valid.regr.mae"], 1))
    assert copy.internal_tuned_values == {"end.epochs": copy.best_epoch}
    assert repr(copy.graph["end"]) == repr(learner.graph["end"])
    final = learner.unvalidated()
    assert (final.validate, final.watched, final.params["end.patience"]) == (None, None, 0)
    assert (learner.validate, learner.params["end.patience"]) == (0.3, 1)


def test_a_network_that_was_not_taken_has_no_score(line):
    """Of a branch the other way has no state, of an ensemble's copies there are several."""

    def network(seed):
        ending = po("torch_loss", loss="mse") >> po("torch_optimizer", optimizer="sgd")
        model = po("torch_model_regr", id=f"model{seed}", epochs=1, batch_size=10, seed=seed)
        return po("torch_ingress_num") >> nn("head") >> ending >> model

    chosen = ppl("branch", {"net": network(1), "plain": lrn("regr.featureless")})
    chosen.params["branch.selection"] = "plain"
    learner = as_learner(chosen).train(line)
    assert (learner.internal_valid_scores, learner.internal_tuned_values) == ({}, {})
    result = resample(line, as_learner(ppl("bagging", network(2), iterations=2)), rsmp("holdout"), seed=1)
    assert len(result) == 1


def test_what_does_not_validate_says_so(line):
    plain = lrn("regr.featureless").train(line)
    assert (plain.watched, plain.internal_params, plain.internal_tuned_values, plain.internal_valid_scores) == (None, (), {}, {})
    assert as_learner(po("scale") >> lrn("regr.featureless")).train(line).internal_tuned_values == {}
    with pytest.raises(ConfigError, match="only 'rounds' can"):
        auto_tuner(Rounds(), {"shift": to_tune(0, 5, internal=True)}, rsmp("holdout"), None, 1)


def halves(seed, **roles):
    """The rows that a network trains on and those it is validated on, as its validation split makes them."""
    table = {"x": np.arange(40.0), "g": np.arange(40) // 4, "y": np.arange(40.0)}
    task = as_task_regr(table, target="y").with_roles(**roles)
    model = po("torch_model_regr", epochs=1, batch_size=8, measures_valid=["regr.mse"], seed=seed)
    graph = po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss="mse") >> po("torch_optimizer") >> model
    _, train, valid = as_learner(graph, validate=0.5)._split(task, None)
    return train.row_ids, valid.row_ids


def test_the_validation_split_keeps_groups_together():
    train, valid = halves(1, group="g")
    assert not set(train // 4) & set(valid // 4)
    assert len(train) == len(valid) == 20


def test_the_seed_of_the_model_makes_the_validation_split():
    assert [a.tolist() for a in halves(1)] == [a.tolist() for a in halves(1)]
    assert halves(0)[0].tolist() != halves(1)[0].tolist() != halves(2)[0].tolist()
    assert halves(None)[0].tolist() != halves(None)[0].tolist()
