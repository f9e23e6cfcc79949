"""Reads the reference outputs of operators: its tasks as polars tasks, its R calls as ours, its columns beside ours."""

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from pipeops import as_task_classif, as_task_regr, lrn, po
from pipeops.data import selectors
from pipeops.data.selectors import selector_name
from pipeops.registry import Registry

TYPES = {"numeric": pl.Float64, "integer": pl.Int32, "logical": pl.Boolean, "character": pl.String}
SPECIAL = {"NaN": float("nan"), "Inf": float("inf"), "-Inf": float("-inf")}


def series(column: dict[str, Any]) -> pl.Series:
    """A column of the reference as polars holds it."""
    kind, values = column["type"], column["values"]
    if kind in ("factor", "ordered"):
        return pl.Series(column["name"], values, dtype=pl.Enum(column["levels"]))
    if kind == "Date":
        return pl.Series(column["name"], [v and date.fromisoformat(v) for v in values], dtype=pl.Date)
    if kind == "POSIXct":
        return pl.Series(column["name"], [v and datetime.fromisoformat(v) for v in values], dtype=pl.Datetime("us"))
    return pl.Series(column["name"], [SPECIAL.get(v, v) if kind == "numeric" else v for v in values], dtype=TYPES[kind])


def task(data: dict[str, Any]) -> Any:
    """A task of the reference as one of ours, without its columns of other roles."""
    wanted = [*data["target_names"], *data["feature_names"]]
    frame = pl.DataFrame([series(c) for c in data["data_columns"] if c["name"] in wanted])
    frame = frame.select(*data["target_names"], *data["feature_names"])
    if data["class"] == "TaskRegr":
        return as_task_regr(frame, target=data["target_names"][0], id=data["id"])
    if not len(frame):
        return as_task_classif(_with_rows(frame, data), target=data["target_names"][0], id=data["id"]).filter([])
    if frame[data["target_names"][0]].n_unique() < 2:
        both = as_task_classif(pl.concat([frame, _with_rows(frame, data)]), target=data["target_names"][0], id=data["id"])
        return both.filter(list(range(len(frame))))
    return as_task_classif(frame, target=data["target_names"][0], id=data["id"])


def _with_rows(frame: pl.DataFrame, data: dict[str, Any]) -> pl.DataFrame:
    target = data["target_names"][0]
    rows = pl.DataFrame({target: pl.Series(data["class_names"], dtype=frame.schema[target])})
    return pl.concat([frame.clear(), rows], how="diagonal")


def operator(call: str, train: dict[str, Any]) -> Any:
    """An R call such as `po("scale", center = FALSE)` as our operator; skips what we do not have."""
    for key in re.findall(r'po\("(\w+)"', call):
        if key not in Registry.all["po"]:
            pytest.skip(f"no operator {key}")
    text = call.replace("%>>%", ">>").replace("TRUE", "True").replace("FALSE", "False").replace("NULL", "None")
    text = re.sub(r"\b(?:resampling|filter|quantiles|picvplus)\.(\w+) =", r"\1 =", text)
    text = re.sub(r"\bInf\b", "float('inf')", re.sub(r"(\w+)\. =", r"\1 =", text))
    text = re.sub(r'c\(((?:[\w.]+ = (?:"[^"]*"|[\d.]+)(?:, )?)+)\)', _dictionary, text)
    text = re.sub(r"list\(([\w.]+) = (c\([^)]*\)|character\(0\))\)", r'{"\1": \2}', text).replace("character(0)", "[]")
    if any(key not in Registry.all["lrn"] for key in re.findall(r'lrn\("([\w.]+)"', text)):
        pytest.skip("a learner that is not here")
    if "function(" in text or "~" in text or "$new" in text:
        pytest.skip("the call holds R code")
    text = re.sub(r"\bc\(", "vector(", text)
    functions = {"mean": lambda row: row.mean(), "range": lambda row: [row.min(), row.max()]}
    return eval(text, {"po": po, "lrn": lrn, "vector": lambda *values: list(values), **functions, **_selectors(train)})


def _dictionary(match: re.Match[str]) -> str:
    """A named vector of R, `a = 1, b = 2`, as a dictionary."""
    return "{" + re.sub(r"([\w.]+) = ", r'"\1": ', match[1]) + "}"


def _selectors(train: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    types = train["feature_types"]

    def selector_type(wanted: Any) -> Any:
        wanted = [wanted] if isinstance(wanted, str) else wanted
        return selector_name(*(n for n in train["feature_names"] if types[n] in wanted))

    return {
        **{name: value for name, value in vars(selectors).items() if name.startswith("selector_")},
        "selector_type": selector_type,
    }


def columns(data: dict[str, Any], names: list[str] | None = None) -> dict[str, list[Any]]:
    """Features of the reference's output as plain values: numbers, texts, None for everything missing."""
    wanted = data["feature_names"] if names is None else names
    return {c["name"]: [_plain(SPECIAL.get(v, v)) for v in c["values"]] for c in data["data_columns"] if c["name"] in wanted}


def ours(made: Any) -> dict[str, list[Any]]:
    """Features of our task as the same plain values."""
    frame = made.frame()
    return {c.name: [_plain(v) for v in c.to_list()] for c in frame.iter_columns()}


def _plain(value: Any) -> Any:
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return value.replace(microsecond=0).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, int | float) else str(value)
