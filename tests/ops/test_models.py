"""Nodes around learners, words and random intercepts: beside scikit-learn and the likelihoods written out."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import multivariate_normal
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import QuantileRegressor

from pipeops import as_learner, as_task_classif, as_task_regr, load_learner, lrn, po, tsk
from pipeops.errors import CompositionError, ConfigError
from pipeops.ops.categories.mixed import laplace, reml
from pipeops.ops.categories.terms import Cut

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
TASK = as_task_regr(pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": X[:, 0] + RNG.normal(size=60)}), target="y")


def test_quantiles_are_those_of_one_model_each():
    node = po("learner_quantiles", QuantileRegressor(alpha=0), q_vals=[0.1, 0.5, 0.8], q_response=0.8)
    prediction = node.predict([TASK], node.train([TASK])[1])[0]
    for q in (0.1, 0.5, 0.8):
        model = QuantileRegressor(quantile=q, alpha=0).fit(X, TASK.truth())
        np.testing.assert_allclose(prediction.quantiles[:, prediction.probs.index(q)], model.predict(X), atol=1e-7)
    np.testing.assert_allclose(prediction.response, prediction.quantiles[:, 2])
    assert prediction.quantile_names == ["q0.1", "q0.5", "q0.8"]


def test_quantiles_of_boosting_and_of_graphs():
    boosting = HistGradientBoostingRegressor(max_iter=3, random_state=0)
    for inner, prefix in ((boosting, ""), (po("scale") >> as_learner(boosting, id="boost"), "boost.")):
        node = po("learner_quantiles", inner, id="q")
        assert f"{prefix}max_iter" in node.params
        prediction = as_learner(node).train(TASK).predict(TASK)
        model = HistGradientBoostingRegressor(max_iter=3, random_state=0, loss="quantile", quantile=0.95)
        np.testing.assert_allclose(prediction.quantiles[:, 2], model.fit(X, TASK.truth()).predict(X), rtol=1e-6)
    with pytest.raises(ConfigError, match="predicts no quantiles"):
        po("learner_quantiles", lrn("regr.ridge")).train([TASK])
    with pytest.raises(CompositionError, match="takes a regression learner"):
        po("learner_quantiles", lrn("classif.lda"))
    for wrong in ({"q_vals": [0.5, 0.1]}, {"q_vals": [1.5]}, {"q_response": 0.3}):
        with pytest.raises(ConfigError):
            po("learner_quantiles", QuantileRegressor(), **wrong)


def test_intervals_are_those_of_the_definition():
    node = po("learner_pi_cvplus", lrn("regr.lm"), folds=4, alpha=0.2, seed=3)
    _, state = node.train([TASK])
    prediction = node.predict([TASK.filter([0, 5])], state)[0]
    models = []
    for k in range(4):
        rows = np.flatnonzero(state["fold"] != k)
        design = np.c_[np.ones(len(rows)), X[rows]]
        beta = np.linalg.lstsq(design, TASK.truth()[rows], rcond=None)[0]
        models.append(lambda x, beta=beta: beta @ np.r_[1, x])
    errors = np.array([abs(TASK.truth()[i] - models[state["fold"][i]](X[i])) for i in range(60)])
    np.testing.assert_allclose(state["residuals"], errors)
    for row, x in enumerate(X[[0, 5]]):
        mu = np.array([models[k](x) for k in state["fold"]])
        ends = [np.quantile(mu - errors, 0.2), np.quantile(mu + errors, 0.8)]
        np.testing.assert_allclose(prediction.quantiles[row], ends)
        assert prediction.response[row] == pytest.approx(np.median([m(x) for m in models]))


def test_learners_with_intervals_are_saved(tmp_path):
    for node in (po("learner_pi_cvplus", lrn("regr.lm"), seed=1), po("learner_quantiles", QuantileRegressor(alpha=0))):
        learner = as_learner(node).train(TASK)
        learner.save(tmp_path / "q.pipeops")
        again = load_learner(tmp_path / "q.pipeops").predict(TASK)
        np.testing.assert_array_equal(again.quantiles, learner.predict(TASK).quantiles)


def test_random_intercepts_maximize_the_restricted_likelihood():
    codes = np.repeat([0, 1, 2, 3], [3, 8, 5, 2])
    y = RNG.normal(size=18) + np.array([0.0, 2.0, -1.0, 1.0])[codes]
    made = reml(np.bincount(codes).astype(float), np.bincount(codes, y), float(y @ y), 1e-10)

    def fit(between, within):
        cover = within * np.eye(18) + between * (codes[:, None] == codes)
        inverse, one = np.linalg.inv(cover), np.ones(18)
        mu = one @ inverse @ y / (one @ inverse @ one)
        restricted = multivariate_normal(np.full(18, mu), cover).logpdf(y) - np.log(one @ inverse @ one) / 2
        u = between * (codes == np.arange(4)[:, None]) @ inverse @ (y - mu)
        return restricted, mu + u

    grid = [fit(b, w) for b in np.linspace(0.05, 8, 120) for w in np.linspace(0.3, 3, 80)]
    best = max(grid, key=lambda pair: pair[0])
    np.testing.assert_allclose(made, best[1], atol=0.03)
    np.testing.assert_allclose(reml(np.array([2.0, 2.0]), np.array([4.0, 4.0]), 20.0, 1e-8), [2.0, 2.0])


def test_random_log_odds_maximize_laplaces_likelihood():
    sizes, hits = np.array([20.0, 15.0, 30.0]), np.array([15.0, 3.0, 16.0])
    made = laplace(sizes, hits, 34.0, 1e-10)
    nodes, weights = np.polynomial.hermite.hermgauss(60)

    def exact(mu, sigma):
        eta = mu + sigma * np.sqrt(2) * nodes[:, None]
        return np.log(weights @ np.exp(hits * eta - sizes * np.logaddexp(0, eta) + 45)).sum()

    grid = [(exact(mu, sigma), mu, sigma) for mu in np.linspace(-1, 1, 81) for sigma in np.linspace(0.1, 3, 81)]
    _, mu, sigma = max(grid)
    u = np.linspace(-4, 4, 4001)[:, None]
    eta = mu + sigma * u
    wanted = mu + sigma * u[(hits * eta - sizes * np.logaddexp(0, eta) - u**2 / 2).argmax(axis=0), 0]
    np.testing.assert_allclose(made, wanted, atol=0.06)
    assert laplace(np.array([4.0, 5.0]), np.array([4.0, 5.0]), 9.0, 1e-8).min() > 2


def test_several_classes_are_each_against_the_others():
    task = as_task_classif({"f": ["u", "v"] * 15, "y": ["p", "q", "r"] * 10}, target="y")
    made = po("encodelmer").train([task])[0][0]
    assert made.feature_names == ["f.p", "f.q", "f.r"]
    np.testing.assert_allclose(made.matrix("float64"), np.log(0.5), atol=1e-3)


def test_words_are_counted_as_by_scikit_learn():
    texts = ["The cat and the dog.", None, "A dog, a DOG!", "cats & dogs"]
    task = as_task_regr({"t": texts, "y": [0, 1, 2, 3]}, target="y")
    node = po("textvectorizer", stopwords_language="none", n=[1, 2], remove_punct=True)
    (made,), state = node.train([task])
    counter = CountVectorizer(token_pattern=r"\w+", ngram_range=(1, 2))
    counts = counter.fit_transform(["" if t is None else t for t in texts]).toarray()
    names = [f"t.{name.replace(' ', '_')}" for name in counter.get_feature_names_out()]
    np.testing.assert_array_equal(made.data(columns=names).to_numpy(), counts)
    new = as_task_regr({"t": ["a bird and a cat"], "y": [0]}, target="y")
    answer = node.predict([new], state)[0].frame()
    assert (answer["t.a"][0], answer["t.cat"][0], answer["t.dog"][0]) == (2, 1, 0)


def test_words_are_weighted_left_out_and_bounded():
    task = as_task_regr({"t": ["red red fox", "red hen"], "y": [0, 1]}, target="y")

    def made(**settings):
        return po("textvectorizer", **settings).train([task])[0][0].data(columns=None).to_dict(as_series=False)

    assert made(scheme_tf="prop")["t.red"] == pytest.approx([2 / 3, 1 / 2])
    assert made(scheme_tf="propmax")["t.fox"] == pytest.approx([1 / 2, 0])
    assert made(scheme_tf="logcount")["t.red"] == pytest.approx([1 + np.log10(2), 1])
    assert made(scheme_df="inverse")["t.hen"] == pytest.approx([0, np.log10(2)])
    assert list(made(min_termfreq=2)) == ["y", "t.red"]
    assert list(made(max_termfreq=2, extra_stopwords=["hen"])) == ["y", "t.fox"]
    assert "t.e" in made(what="character")
    assert made(scheme_tf="augmented", k_tf=0.4)["t.fox"] == pytest.approx([0.4 + 0.6 / 2, 0])
    assert made(scheme_tf="logave", base_tf=2)["t.red"] == pytest.approx([2 / (1 + np.log2(1.5)), 1])
    assert made(scheme_df="count")["t.red"] == [4, 2]
    assert made(scheme_df="inverse", smoothing_df=1, k_df=1, base_df=2)["t.hen"] == pytest.approx([0, np.log2(2)])
    assert made(scheme_df="inversemax", k_df=1)["t.fox"] == pytest.approx([np.log10(2 / 2), 0])
    assert made(scheme_df="inverseprob")["t.red"] == [0, 0]
    assert list(made(min_termfreq=0.5, termfreq_type="prop")) == ["y", "t.red"]
    assert list(made(min_termfreq=1, termfreq_type="rank")) == ["y", "t.red"]
    assert list(made(max_termfreq=0.5, termfreq_type="quantile")) == ["y", "t.fox", "t.hen"]
    assert list(made(sparsity=0.4)) == ["y", "t.red"]
    with pytest.raises(ConfigError, match="'n' is a number"):
        po("textvectorizer", n=0)
    with pytest.raises(ConfigError, match="'base_df' is the base"):
        po("textvectorizer", base_df=1)


def test_texts_are_sequences_of_the_terms_of_training():
    task = as_task_regr({"t": ["Red fox", "the hen red fox", None], "y": [0, 1, 2]}, target="y")
    node = po("textvectorizer", return_type="integer_sequence")
    (made,), state = node.train([task])
    assert made.feature_names == ["t.V1", "t.V2", "t.V3", "t.V4"]
    assert made.matrix().tolist() == [[1, 2, 0, 0], [0, 4, 1, 2], [0, 0, 0, 0]]
    new = task.newdata({"t": ["hen and fox and hen and fox"]})
    assert node.predict([new], state)[0].matrix().tolist() == [[4, 0, 2, 0]]
    levels = po("textvectorizer", return_type="factor_sequence", sequence_length=2)
    (made,), state = levels.train([task])
    assert made.levels("t.V1") == ["fox", "hen", "red"]
    assert made.frame().rows() == [("red", "fox"), (None, "hen"), (None, None)]
    assert levels.predict([new], state)[0].frame().rows() == [("hen", None)]


def test_texts_are_cut_into_what_was_asked_for():
    text = "See www.a.org/x, it's a well-known 3.5 € book. Don't!"
    assert Cut(tolower=False).terms(text)[:6] == ["See", "www.a.org/x,", "it's", "a", "well-known", "3.5"]
    assert Cut(remove=("url", "punct", "symbols", "numbers")).terms(text) == ["see", "it's", "a", "well-known", "book", "don't"]
    assert Cut("fasterword", tolower=False).terms(text)[-2:] == ["book.", "Don't!"]
    assert Cut("sentence").terms(text)[1] == "don't!"
    assert Cut(n=(2,), skip=(0, 1)).terms("a b c") == ["a_b", "a_c", "b_c"]


def test_missing_and_unseen_may_be_a_level_of_their_own():
    task = as_task_regr({"f": ["a", None, "b"], "y": [0, 1, 2]}, target="y")
    node = po("encode", extra_level=True)
    (made,), state = node.train([task])
    assert made.feature_names == ["f.a", "f.b", "f..MISSING"]
    assert made.matrix().tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    new = as_task_regr({"f": ["z", "b"], "y": [0, 1]}, target="y")
    assert node.predict([new], state)[0].matrix().tolist() == [[0, 0, 1], [0, 1, 0]]
    sums = po("encode", method="sum", extra_level=True).train([task])[0][0]
    assert sums.matrix().tolist() == [[1, 0], [-1, -1], [0, 1]]


def test_a_graph_is_a_node():
    node = po(po("scale") >> po("pca", rank=2), id="both")
    assert node.params["content.pca.rank"] == 2
    learner = as_learner(node >> lrn("classif.lda")).train(tsk("iris"))
    plain = as_learner(po("scale") >> po("pca", rank=2) >> lrn("classif.lda")).train(tsk("iris"))
    assert learner.predict(tsk("iris")).response.tolist() == plain.predict(tsk("iris")).response.tolist()
