"""Operators on numbers, against scikit-learn, scipy, patsy's properties and hand calculation."""

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from sklearn import decomposition, manifold
from sklearn import preprocessing as sk

from pipeops import as_task_regr, po, tsk
from pipeops.errors import ConfigError, DataError
from pipeops.ops.numbers.manifold import kernel_matrix

RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 3)) @ RNG.normal(size=(3, 3)) + [1.0, 5.0, -2.0]
NEW = RNG.normal(size=(7, 3)) * 3


def task(x=X, **more):
    columns = {f"x{j}": x[:, j] for j in range(x.shape[1])} | more
    return as_task_regr({**columns, "y": np.arange(len(x), dtype=float)}, target="y")


def made(node, train=X, new=NEW):
    (out,), state = node.train([task(train)])
    return out.matrix("float64"), node.predict([task(new)], state)[0].matrix("float64")


def up_to_sign(a, b):
    signs = np.sign((a * b).sum(axis=0))
    np.testing.assert_allclose(a, b * signs, rtol=1e-6, atol=1e-8)


def test_powers_are_those_of_scikit_learn():
    ours = made(po("yeojohnson", lower=-10, upper=10, eps=0))
    theirs = sk.PowerTransformer().fit(X)
    shrink = np.sqrt(39 / 40)  # divisor n - 1
    np.testing.assert_allclose(ours[0], theirs.transform(X) * shrink, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours[1], theirs.transform(NEW) * shrink, rtol=1e-3, atol=1e-3)
    positive = np.exp(X / 3)
    ours = made(po("boxcox", standardize=False, lower=-5, upper=5, eps=0), positive, np.exp(NEW / 3))
    theirs = sk.PowerTransformer("box-cox", standardize=False).fit(positive)
    np.testing.assert_allclose(ours[0], theirs.transform(positive), rtol=1e-3, atol=1e-4)
    with pytest.raises(DataError, match="not positive"):
        po("boxcox").train([task()])
    with pytest.raises(ConfigError, match="'lower' must be below"):
        po("boxcox", lower=2, upper=1)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_quantiles_are_those_of_scikit_learn(distribution):
    theirs = sk.QuantileTransformer(n_quantiles=10, output_distribution=distribution, subsample=None).fit(X)
    ours = made(po("quantiletransform", n_quantiles=10, output_distribution=distribution))
    np.testing.assert_allclose(ours[0], theirs.transform(X), atol=1e-7)
    np.testing.assert_allclose(ours[1], theirs.transform(NEW), atol=1e-7)


def test_pca_is_that_of_scikit_learn():
    theirs = decomposition.PCA().fit(X)
    for ours, x in zip(made(po("pca")), (X, NEW), strict=True):
        up_to_sign(ours, theirs.transform(x))
    scaled = made(po("pca", scale=True, rank=2))[0]
    up_to_sign(scaled, decomposition.PCA(2).fit_transform((X - X.mean(0)) / X.std(0, ddof=1)))


@pytest.mark.parametrize(
    ("node", "theirs"),
    [
        (po("kernelpca", kpar={"sigma": 0.2}, features=3), decomposition.KernelPCA(3, kernel="rbf", gamma=0.2)),
        (
            po("kernelpca", kernel="polydot", kpar={"degree": 2}, features=3),
            decomposition.KernelPCA(3, kernel="poly", degree=2, gamma=1.0),
        ),
        (po("kernelpca", kernel="vanilladot", features=2), decomposition.KernelPCA(2)),
        (po("isomap", knn=8), manifold.Isomap(n_neighbors=8)),
        (po("ica", seed=2, tol=0.1), decomposition.FastICA(random_state=2, whiten="unit-variance", tol=0.1)),
    ],
    ids=repr,
)
def test_projections_are_those_of_scikit_learn(node, theirs):
    theirs.fit(X)
    unit = np.sqrt(len(X)) if node.key == "kernelpca" else 1.0  # kernlab's eigenvalues are those over the number of rows
    for ours, x in zip(made(node), (X, NEW), strict=True):
        up_to_sign(ours / unit, theirs.transform(x))


@pytest.mark.parametrize(
    ("kernel", "kpar", "value"),
    [
        ("besseldot", {"sigma": 2, "order": 0}, 0.22389077914123567),  # J0(2)
        ("anovadot", {"sigma": 1, "degree": 2}, (np.exp(-1) + 1) ** 2),
        ("splinedot", {}, (1 + 2 * 2 - 1.5 + 1 / 3) * (1 + 9 * 4 - 27 + 9)),
        ("laplacedot", {"sigma": 3}, np.exp(-3)),
    ],
)
def test_kernels_have_the_values_of_their_formulas(kernel, kpar, value):
    at = {"sigma": 1, "order": 1, "degree": 1, **kpar}
    assert kernel_matrix(kernel, np.array([[1.0, 3.0]]), np.array([[2.0, 3.0]]), at)[0, 0] == pytest.approx(value)


def test_ica_begins_where_it_is_told_and_divides_by_spreads_where_wanted():
    whiten = decomposition.FastICA(w_init=np.eye(3), whiten="unit-variance", tol=0.1).fit(X / X.std(0, ddof=1))
    ours = made(po("ica", row_norm=True, w_init=np.eye(3).tolist(), tol=0.1))[0]
    np.testing.assert_allclose(ours, whiten.transform(X / X.std(0, ddof=1)), atol=1e-8)


def _divergence(x, y):
    y = np.maximum(y, 1e-9)
    return float((x * np.log(np.maximum(x, 1e-9) / y) - x + y).sum())


@pytest.mark.parametrize("spread", [1.0, 1e-5])
@pytest.mark.parametrize("middle", [0.0, 1e3])
def test_pca_of_many_rows_is_that_of_the_rows_themselves(middle: float, spread: float):
    x = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([3.0, 1.0, spread]) + middle
    x = x[np.argsort(x[:, 0])]
    for arguments in ({}, {"scale": True}, {"center": False}):
        (out,), state = po("pca", **arguments).train([task(x)])
        moved = (x - x.mean(axis=0) * (arguments.get("center", True))) / state["learnt"]["scale"]
        directions = np.linalg.svd(moved, full_matrices=False)[2].T
        found = np.abs(np.sum(directions * state["learnt"]["matrix"], axis=0))
        assert np.allclose(found, 1, atol=1e-9), (arguments, found)
        assert np.allclose(out.matrix("float64"), moved @ state["learnt"]["matrix"], atol=1e-6)


def test_nmf_gives_the_weights_of_its_parts():
    x = np.abs(X)
    (out,), _ = po("nmf", rank=2, method="lee").train([task(x)])
    model = decomposition.NMF(2, init="nndsvda", random_state=0, max_iter=1000).fit(x)
    one, best = (po("nmf", nrun=n).train([task(x)])[1]["learnt"]["matrix"] for n in (1, 3))
    divergences = [_divergence(x, np.maximum(x @ m, 0) @ np.linalg.pinv(m)) for m in (one, best)]
    assert divergences[1] <= divergences[0] + 0.05
    np.testing.assert_allclose(out.matrix("float64"), x @ np.linalg.pinv(model.components_), rtol=1e-6)
    with pytest.raises(DataError, match="negative values in 'x0'"):
        po("nmf").train([task()])


def test_random_projections_are_orthogonal_and_follow_from_the_seed():
    (_,), state = po("randomprojection", rank=2, seed=4).train([task()])
    directions = state["learnt"]["matrix"]
    np.testing.assert_allclose(directions.T @ directions, np.eye(2), atol=1e-12)
    again = po("randomprojection", rank=2, seed=4).train([task()])[1]["learnt"]["matrix"]
    other = po("randomprojection", rank=2, seed=5).train([task()])[1]["learnt"]["matrix"]
    assert np.array_equal(directions, again)
    assert not np.allclose(directions, other)


def test_missing_values_are_refused_in_training_and_missing_in_prediction():
    holed = X.copy()
    holed[3, 1] = np.nan
    with pytest.raises(DataError, match="missing or infinite values in 'x1'"):
        po("pca").train([task(holed)])
    _, state = po("pca").train([task()])
    out = po("pca").predict([task(holed)], state)[0].matrix("float64")
    assert np.isnan(out).all(axis=1).tolist() == [k == 3 for k in range(40)]


def test_b_splines_are_those_of_scikit_learn():
    theirs = sk.SplineTransformer(n_knots=4, degree=3, knots="quantile", extrapolation="continue").fit(X[:, :1])
    for ours, x in zip(made(po("splines", type="polynomial", df=6, intercept=True)), (X, NEW), strict=True):
        other = theirs.transform(x[:, :1])  # other knots beyond the ends, the same functions
        np.testing.assert_allclose(ours[:, :6] @ np.linalg.pinv(ours[:, :6]) @ other, other, atol=1e-6)
        np.testing.assert_allclose(ours[:, :6].sum(axis=1), 1)


def test_splines_have_the_published_values():
    """The examples of ns and bs in the R documentation: women's heights, five functions (R Core Team)."""
    heights = as_task_regr({"height": np.arange(58.0, 73.0), "y": np.arange(15)}, target="y")
    natural = po("splines", df=5).train([heights])[0][0].matrix("float64")
    np.testing.assert_allclose(natural[1], [7.592323e-03, 0, -8.670223e-02, 2.601067e-01, -1.734045e-01], rtol=1e-6)
    np.testing.assert_allclose(natural[3], [2.047498e-01, 6.073858e-05, -1.677834e-01, 5.033503e-01, -3.355669e-01], rtol=1e-6)
    b = po("splines", type="polynomial", df=5).train([heights])[0][0].matrix("float64")
    np.testing.assert_allclose(b[1], [4.534439e-01, 5.985787e-02, 1.639942e-03, 0, 0], rtol=1e-5)


def test_natural_splines_are_straight_beyond_the_data_and_smooth_within():
    x = np.linspace(0, 10, 400)[:, None]
    node = po("splines", df=4, Boundary_knots={"x0": [2, 8]})
    values = made(node, x, x)[0]
    assert values.shape == (400, 4)
    outside = (x[:, 0] < 2) | (x[:, 0] > 8)
    bends = np.diff(values, n=2, axis=0) / (x[1, 0] - x[0, 0]) ** 2
    assert np.abs(bends[outside[:-2] & outside[2:]]).max() < 1e-8
    inside = x[~outside, 0]
    basis = np.column_stack([np.ones(len(inside)), values[~outside]])
    cubic_free = np.linalg.lstsq(basis, np.column_stack([inside, np.ones(len(inside))]), rcond=None)[1]
    assert cubic_free.max(initial=0) < 1e-8  # straight lines are among them
    assert np.linalg.matrix_rank(basis) == 5


def test_bins_take_given_borders_and_rules():
    column = task(np.arange(10.0)[:, None])
    out = po("histbin", breaks=[0, 2, 9]).train([column])[0][0]
    assert out.frame()["x0"].to_list() == ["[-Inf,2]"] * 3 + ["(2, Inf]"] * 7
    assert len(po("histbin", breaks="FD").train([column])[0][0].levels("x0")) == 2
    for wrong in ("Doane", 0, [1, float("nan")], True):
        with pytest.raises(ConfigError, match="'breaks' must be"):
            po("histbin", breaks=wrong)
    with pytest.raises(DataError, match="must reach over all of 'x0'"):
        po("histbin", breaks=[1, 2]).train([column])


def test_infinite_and_missing_values_get_their_bins():
    frame = {"x": [1.0, 2.0, 3.0, None], "y": [0.0, 1.0, 2.0, 3.0]}
    node = po("quantilebin", numsplits=3)
    _, state = node.train([as_task_regr(frame, target="y")])
    new = as_task_regr({"x": [float("inf"), -float("inf"), None, 2.0], "y": frame["y"]}, target="y")
    assert node.predict([new], state)[0].frame()["x"].to_list() == ["(2.33, Inf]", "(-Inf,1.67]", None, "(1.67,2.33]"]


def test_spatial_signs_have_the_wanted_norm_without_overflow():
    rows = np.array([[3e300, 4e300, 0.0], [1e-300, 0.0, 0.0], [0.0, 0.0, 0.0]])
    out = made(po("spatialsign"), rows, rows)[0]
    np.testing.assert_allclose(out, [[0.6, 0.8, 0], [1, 0, 0], [0, 0, 0]])


def test_rowapply_refuses_what_changes_from_row_to_row():
    with pytest.raises(DataError, match="for one row"):
        po("rowapply", applicator=lambda row: [1.0] * (1 + (row[0] > 1))).train([task()])
    with pytest.raises(DataError, match="must answer numbers"):
        po("rowapply", applicator=lambda row: "text").train([task()])


def test_rowapply_keeps_the_names_of_as_many_columns():
    assert po("rowapply").train([task()])[0][0].feature_names == ["x0", "x1", "x2"]
    node = po("rowapply", applicator=lambda row: [row.min(), row.max()], col_prefix="r")
    assert node.train([task()])[0][0].feature_names == ["r.V1", "r.V2"]


def test_mutate_sees_the_features_as_they_come_and_new_ones():
    later = {"x0": nw.col("x0") * 2, "new": nw.col("x0") + 1, "newer": nw.col("new") + nw.col("x0")}
    frame = po("mutate", mutation=later).train([task()])[0][0].frame()
    np.testing.assert_allclose(frame["newer"].to_numpy(), 2 * X[:, 0] + 1)
    columns = {"x0": nw.col("x0") + 1, "b": lambda frame: frame["x0"].to_numpy() * 2, "c": 1}
    out = po("mutate", mutation=columns).train([task()])[0][0].frame()
    np.testing.assert_allclose(out["b"].to_numpy(), X[:, 0] * 2)
    np.testing.assert_allclose(out["x0"].to_numpy(), X[:, 0] + 1)
    assert out["c"].to_list() == [1] * 40
    kept = po("mutate", mutation={"x0": nw.col("x1")}, delete_originals=True).train([task()])[0][0]
    assert kept.feature_names == ["x0"]
    with pytest.raises(DataError, match="'bad' cannot be computed"):
        po("mutate", mutation={"bad": nw.col("absent")}).train([task()])
    with pytest.raises(DataError, match="give one for each row"):
        po("mutate", mutation={"short": lambda frame: frame["x0"].head(2)}).train([task()])


def test_model_matrices_have_the_columns_of_r():
    frame = {
        "f": pl.Series(["l", "m", "n", "m"], dtype=pl.Enum(["l", "m", "n"])),
        "x": [1.0, 2.0, 3.0, None],
        "y": [0.0, 1, 2, 3],
    }
    train = as_task_regr(pl.DataFrame(frame), target="y")
    out = po("modelmatrix", formula="~ . ^ 2").train([train])[0][0]
    assert out.feature_names == ["(Intercept)", "fm", "fn", "x", "fm:x", "fn:x"]
    rows = [[1, 0, 0, 1, 0, 0], [1, 1, 0, 2, 2, 0], [1, 0, 1, 3, 0, 3], [np.nan] * 6]
    np.testing.assert_array_equal(out.matrix("float64"), rows)
    assert po("modelmatrix", formula="~ 0 + x").train([train])[0][0].feature_names == ["x"]
    with pytest.raises(ConfigError, match="learns from the data"):
        po("modelmatrix", formula="~ center(x)").train([tsk("iris").select([]).cbind({"x": np.arange(150.0)})])
    with pytest.raises(DataError, match="does not fit the features"):
        po("modelmatrix", formula="~ absent").train([train])


@pytest.mark.parametrize("key", ["pca", "ica", "randomprojection", "kernelpca"])
def test_numbers_near_the_limits_are_refused_by_name(key):
    task = as_task_regr({"a": [1e308, -1.7e308, 1.7e308], "b": [1.0, 3.0, 2.0], "y": [0.0, 1.0, 2.0]}, target="y")
    with pytest.raises(DataError, match=rf"{key}: the numbers in 'a' are too large.*po\(\"scale\"\)"):
        po(key).train([task])
    assert np.isfinite((po("scale") >> po(key)).train(task).matrix(dtype="float64")).all()
