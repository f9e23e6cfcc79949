"""Imputation that looks at the whole task, beside numpy, scikit-learn and hand calculation."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from pipeops import as_learner, as_task_classif, as_task_regr, lrn, po
from pipeops.errors import CompositionError
from pipeops.ops.missing.draws import uniforms

ENUM = pl.Enum(["c", "b", "a"])


def task(**columns):
    n = len(next(iter(columns.values())))
    return as_task_regr(pl.DataFrame({**columns, "y": np.arange(n, dtype=float)}), target="y")


def column(made, name):
    return made.frame()[name].to_list()


def test_uniform_numbers_are_uniform_and_follow_from_seed_name_and_id():
    u = uniforms(1, "x", np.arange(20_000))
    assert u.min() >= 0
    assert u.max() < 1
    np.testing.assert_allclose(np.histogram(u, 10, (0, 1))[0] / 2000, 1, atol=0.1)
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.03
    for other in (uniforms(2, "x", np.arange(20_000)), uniforms(1, "z", np.arange(20_000))):
        assert abs(np.corrcoef(u, other)[0, 1]) < 0.03
    assert uniforms(1, "x", np.array([7])).tolist() == u[7:8].tolist()
    assert uniforms(1, "x", np.array([-1])).tolist() != u[:1].tolist()


def test_samples_have_the_shares_of_training():
    values = [1.0] * 30 + [2.0] * 10 + [None] * 4000
    made = column(po("imputesample").train([task(x=values)])[0][0], "x")[40:]
    assert np.mean(np.equal(made, 1.0)) == pytest.approx(0.75, abs=0.03)
    assert set(made) == {1.0, 2.0}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["b", None, "a"], ENUM),
        (["b", None, "a"], pl.String),
        ([True, None, False], pl.Boolean),
        ([1, None, 3], pl.Int32),
        ([date(2020, 1, 1), None, date(2020, 1, 9)], pl.Date),
    ],
)
def test_samples_of_every_kind_keep_the_type_in_every_library(values, dtype):
    data = pl.DataFrame({"x": pl.Series(values, dtype=dtype), "y": [0.0, 1.0, 2.0]})
    (made,), state = po("imputesample", seed=3).train([as_task_regr(data, target="y")])
    assert made.frame().to_native().schema["x"] == dtype
    assert column(made, "x")[1] in (values[0], values[2])
    for other in (data.to_pandas(), data.to_arrow()):
        (same,), _ = po("imputesample", seed=3).train([as_task_regr(other, target="y")])
        assert [str(v).removesuffix(".0")[:10] for v in column(same, "x")] == [str(v) for v in column(made, "x")]
    answer = po("imputesample", seed=3).predict([as_task_regr(data, target="y")], state)[0]
    assert column(answer, "x") == column(made, "x")


def test_a_column_without_any_value_gets_a_level_or_0():
    data = task(e=pl.Series([None] * 50, dtype=ENUM), n=pl.Series([None] * 50, dtype=pl.Float64))
    made = po("imputesample").train([data])[0][0]
    assert set(column(made, "e")) == {"a", "b", "c"}
    assert set(column(made, "n")) == {0.0}
    assert set(column(po("imputehist").train([data])[0][0], "n")) == {0.0}


def test_a_level_of_training_is_added_to_data_that_lacks_it():
    _, state = po("imputesample").train([task(x=pl.Series(["b", "b", None], dtype=pl.Enum(["b"])))])
    answer = po("imputesample").predict([task(x=pl.Series(["z", None], dtype=pl.Enum(["z"])))], state)[0]
    assert column(answer, "x") == ["z", "b"]
    assert answer.levels("x") == ["z", "b"]


def test_histograms_are_those_of_numpy_at_round_borders():
    x = np.random.default_rng(0).normal(size=200)
    (made,), state = po("imputehist").train([task(x=[*x, *[None] * 6000])])
    learnt = state["learnt"]["x"]
    assert learnt["breaks"] == pytest.approx(np.arange(learnt["breaks"][0], learnt["breaks"][-1] + 0.1, 0.5))
    assert learnt["counts"] == np.histogram(x, learnt["breaks"])[0].tolist()
    drawn = np.histogram(column(made, "x")[200:], learnt["breaks"])[0] / 6000
    np.testing.assert_allclose(drawn, np.array(learnt["counts"]) / 200, atol=0.02)
    whole = po("imputehist").train([task(x=[1, 50, None], d=[date(2020, 1, 1), None, date(2020, 3, 1)])])[0][0]
    assert isinstance(column(whole, "x")[2], int)
    assert date(2019, 12, 1) < column(whole, "d")[1] < date(2020, 5, 1)


def test_a_regression_imputes_what_scikit_learn_predicts():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=30), rng.normal(size=30)
    c = 2 * a - b + rng.normal(size=30)
    holes = [None if k % 5 == 0 else v for k, v in enumerate(c.tolist())]
    node = po("imputelearner", lrn("regr.lm"), affect_columns="c")
    (made,), state = node.train([task(a=a, b=b, c=holes)])
    known = np.arange(30) % 5 != 0
    model = LinearRegression().fit(np.c_[a, b][known], c[known])
    np.testing.assert_allclose(np.array(column(made, "c"))[~known], model.predict(np.c_[a, b][~known]))
    answer = node.predict([task(a=[1.0], b=[2.0], c=pl.Series([None], dtype=pl.Float64))], state)[0]
    np.testing.assert_allclose(column(answer, "c"), model.predict([[1.0, 2.0]]))
    only_a = po("imputelearner", lrn("regr.lm"), affect_columns="c", context_columns="a").train([task(a=a, b=b, c=holes)])[0][0]
    model = LinearRegression().fit(a[known, None], c[known])
    np.testing.assert_allclose(np.array(column(only_a, "c"))[~known], model.predict(a[~known, None]))


def test_a_classifier_imputes_categories_and_booleans():
    x = [0.0, 0.1, 0.2, 5.0, 5.1, 5.2]
    levels = pl.Series(["a", "a", None, "b", "b", None], dtype=ENUM)
    data = task(x=x, e=levels, l=[True, None, True, False, False, None], same=pl.Series(["q", None] * 3))
    node = po("imputelearner", lrn("classif.tree", min_samples_leaf=1), affect_columns=["e", "l", "same"], context_columns="x")
    made = node.train([data])[0][0]
    assert column(made, "e") == ["a", "a", "a", "b", "b", "b"]
    assert column(made, "l") == [True, True, True, False, False, False]
    assert column(made, "same") == ["q"] * 6
    assert made.frame().to_native().schema["e"] == ENUM


def test_a_graph_and_its_hyperparameters_impute_too():
    graph = po("imputemedian") >> lrn("regr.lm")
    node = po("imputelearner", graph, id="fill")
    assert node.params["regr_lm.fit_intercept"] is True
    holed = task(a=[1.0, 2.0, None, 4.0], b=[None, 2.0, 3.0, 4.0])
    assert sum(node.train([holed])[0][0].missings().values()) == 0
    learner = as_learner(node.with_param("regr_lm.fit_intercept", False) >> lrn("regr.lm")).train(holed)
    assert np.isfinite(learner.predict(holed).response).all()


def test_what_is_no_learner_of_numbers_or_classes_is_refused():
    with pytest.raises(CompositionError, match="imputelearner|as_learner"):
        po("imputelearner", po("scale"))


def test_saved_states_of_imputers_load_again(tmp_path):
    from pipeops import load_learner

    data = as_task_classif(pl.DataFrame({"x": [1.0, None, 2.0, 3.0] * 5, "z": range(20), "y": ["p", "q"] * 10}), target="y")
    fill = po("imputelearner", lrn("regr.lm"), affect_columns="x", context_columns="z")
    for node in (po("imputesample"), po("imputehist"), fill):
        learner = as_learner(node >> lrn("classif.log_reg")).train(data)
        learner.save(tmp_path / "one.pipeops")
        again = load_learner(tmp_path / "one.pipeops").predict(data)
        assert again.response.tolist() == learner.predict(data).response.tolist()


def test_what_an_integer_column_cannot_hold_becomes_the_nearest_that_it_can():
    column = pl.Series("x", [-128, 127, 126, None, None, 127], dtype=pl.Int8)
    task = as_task_regr(pl.DataFrame({"x": column, "z": [0, 1, 1, 9, -9, 1], "y": range(6)}), target="y")
    for seed in range(4):
        drawn = po("imputehist", seed=seed).train([task])[0][0].frame()["x"]
        assert str(drawn.dtype) == "Int8"
    predicted = po("imputelearner", lrn("regr.lm"), affect_columns="x").train([task])[0][0].frame()["x"].to_list()
    assert predicted[3:5] == [127, -128]
