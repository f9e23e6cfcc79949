"""Operators that choose or make rows, against imbalanced-learn; roles of columns."""

import numpy as np
import pytest
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from imblearn.under_sampling import NearMiss, TomekLinks

from pipeops import as_task_classif, po, tsk
from pipeops.errors import DataError, TrainingError, UnknownKeyError

RNG = np.random.default_rng(0)
X = np.vstack([RNG.normal(size=(60, 2)), RNG.normal(1, 1, size=(20, 2))])
Y = np.repeat(["big", "small"], [60, 20])
TASK = as_task_classif({"a": X[:, 0], "b": X[:, 1], "y": Y}, target="y")


@pytest.mark.parametrize(
    ("node", "theirs"),
    [
        (po("smote", seed=3), SMOTE(random_state=3)),
        (po("blsmote", seed=3, method="type2"), BorderlineSMOTE(random_state=3, m_neighbors=5, kind="borderline-2")),
        (po("adas", seed=3), ADASYN(random_state=3)),
    ],
    ids=repr,
)
def test_rows_are_made_as_imbalanced_learn_makes_them(node, theirs):
    made = node.train([TASK])[0][0]
    x, y = theirs.fit_resample(X, (Y == "small").astype(int))
    np.testing.assert_allclose(made.matrix("float64"), x)
    assert made.truth().tolist() == ["small" if k else "big" for k in y]
    assert made.row_ids[:80].tolist() == list(range(80))
    assert (made.row_ids[80:] < 0).all()
    assert len(set(made.row_ids.tolist())) == made.nrow
    assert node.predict([TASK], {})[0] is TASK


@pytest.mark.parametrize(
    ("node", "theirs"),
    [(po("nearmiss", k=3), NearMiss(n_neighbors=3)), (po("tomek"), TomekLinks(sampling_strategy="all"))],
    ids=repr,
)
def test_rows_are_chosen_as_imbalanced_learn_chooses_them(node, theirs):
    theirs.fit_resample(X, Y)
    assert node.train([TASK])[0][0].row_ids.tolist() == sorted(theirs.sample_indices_.tolist())


def test_sizes_follow_from_the_hyperparameters():
    assert po("smote", dup_size=1).train([TASK])[0][0].truth().tolist().count("small") == 40
    assert po("nearmiss", under_ratio=2).train([TASK])[0][0].nrow == 60


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(DataError, match="missing or infinite values in 'a'"):
        po("smote").train([as_task_classif({"a": [None, 1.0, 2.0], "y": ["p", "p", "q"]}, target="y")])
    with pytest.raises(DataError, match=r"'f' \(categorical\)"):
        po("tomek").train([as_task_classif({"f": ["u", "v"], "y": ["p", "q"]}, target="y")])
    with pytest.raises(TrainingError, match="could not sample"):
        po("smote").train([as_task_classif({"a": [1.0, 2.0, 3.0], "y": ["p", "p", "q"]}, target="y")])
    weighted = TASK.cbind({"w": np.ones(80)}).with_roles(weight="w")
    with pytest.raises(DataError, match="the role 'weight'"):
        po("smote").train([weighted])


def test_roles_are_given_and_taken():
    iris = tsk("iris")
    first, second = iris.feature_names[:2]
    made = po("colroles", new_role={first: ["feature", "stratum"], second: []}).train([iris])[0][0]
    assert second not in made.feature_names
    assert first in made.feature_names
    assert made.roles["stratum"] == [first]
    with pytest.raises(UnknownKeyError, match="no feature 'nothing'"):
        po("colroles", new_role={"nothing": []}).train([iris])
    with pytest.raises(UnknownKeyError, match="cannot become 'target'"):
        po("colroles", new_role={first: "target"})


def test_the_larger_class_may_become_the_smaller_one():
    sizes = [po("nearmiss", under_ratio=ratio, k=1).train([TASK])[0][0].truth().tolist() for ratio in (1, 0.5)]
    assert [one.count("small") for one in sizes] == [TASK.truth().tolist().count("small")] * 2
    assert sizes[1].count("big") == sizes[1].count("small") / 2
