"""Files that version 0.1.0 wrote load, and give the predictions that they gave then."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeops import as_task_classif, as_task_regr, load_benchmark, load_learner

SAVED = Path(__file__).parent / "saved"
ANSWERS = json.loads((SAVED / "answers.json").read_text())


def task(name: str) -> Any:
    """The tasks that the learners were trained on."""
    frame = pl.read_csv(SAVED / "data.csv", schema_overrides={"c": pl.Enum(["x", "y", "z"])})
    if name == "two":
        return as_task_classif(frame.drop("k", "t"), target="y", positive="yes", id="two")
    if name == "three":
        return as_task_classif(frame.drop("y", "t", "m"), target="k", id="three")
    return as_task_regr(frame.drop("y", "k"), target="t", id="regr")


def test_there_is_an_answer_for_every_file():
    assert {p.stem for p in SAVED.glob("*.pipeops")} == {*ANSWERS, "result"}


@pytest.mark.parametrize("name", ANSWERS)
def test_learners_predict_as_they_did(name, tmp_path):
    learner, answer = load_learner(SAVED / f"{name}.pipeops"), ANSWERS[name]
    data = task(answer["task"]) if name != "plain" else task("two").select(["a", "b"])
    frame = learner.predict(data).to_frame()
    learner.save(tmp_path / "again")
    again = load_learner(tmp_path / "again").predict(data).to_frame()
    assert again.equals(frame, null_equal=True), "what is saved again in today's format predicts the same"
    for column, expected in answer.items():
        if column not in ("task", "columns"):
            got = frame[column].to_list()
            if isinstance(expected[0], str):
                assert got == expected
            else:
                assert np.allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_result_aggregates_as_it_did(tmp_path):
    result, expected = load_benchmark(SAVED / "result.pipeops"), json.loads((SAVED / "result.json").read_text())
    result.save(tmp_path / "again")
    for one in (result, load_benchmark(tmp_path / "again")):
        got = one.aggregate([m for m in expected[0] if "." in m]).to_dicts()
        assert [{k: v for k, v in row.items() if isinstance(v, str | int)} for row in got] == [
            {k: v for k, v in row.items() if isinstance(v, str | int)} for row in expected
        ]
        assert np.allclose([row["classif.auc"] for row in got], [row["classif.auc"] for row in expected])
