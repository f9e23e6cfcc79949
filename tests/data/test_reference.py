"""Tasks as the reference describes its own: sizes, types, classes and levels of the same columns."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from pipeops.data import as_task_classif, as_task_regr

FOLDER = os.environ.get("PIPEOPS_REFERENCE")
TASKS = json.loads((Path(FOLDER) / "tasks.json").read_text())["tasks"] if FOLDER else {}
TYPES = {"numeric": pl.Float64, "integer": pl.Int64, "character": pl.String, "logical": pl.Boolean}
KINDS = {
    "factor": "categorical",
    "ordered": "categorical",
    "character": "categorical",
    "logical": "boolean",
    "integer": "numeric",
}


def frame_of(columns):
    return pl.DataFrame([series_of(**c) for c in columns if "levels" in c or c["type"] in TYPES])


def series_of(name, type, values, levels=None):
    if type == "numeric":  # NaN and infinities are strings
        values = [None if v is None else float(v) for v in values]
    return pl.Series(name, values, dtype=pl.Enum(levels) if levels else TYPES[type])


@pytest.mark.skipif(not FOLDER, reason="PIPEOPS_REFERENCE names no folder of reference outputs")
def test_tasks_of_the_reference():
    compared = 0
    for name, said in TASKS.items():
        (target,) = said["target_names"]
        frame = frame_of(said["data_columns"])
        if not len(frame):
            continue
        task = (as_task_classif if said["task_type"] == "classif" else as_task_regr)(frame, target=target, id=said["id"])
        types = {n: t for n, t in said["feature_types"].items() if n in frame.columns}
        assert task.nrow == said["nrow"], name
        assert task.feature_types == {n: KINDS.get(types[n], types[n]) for n in task.feature_names}, name
        if said["task_type"] == "classif":
            assert task.class_names == said["class_names"], name
            assert task.properties == said["properties"], name
        for column, levels in said.get("levels", {}).items():
            assert (task.class_names if column == target else task.levels(column)) == levels, name
        compared += 1
    assert compared > 10
