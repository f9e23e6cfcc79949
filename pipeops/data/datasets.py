"""The built-in tasks: `tsk("sonar")`.

Files are looked up in `$PIPEOPS_DATA`, then in the cache folder, then downloaded once (OpenML, through scikit-learn) into
the cache; iris, wine, breast_cancer, digits and diabetes ship with scikit-learn. Each entry states its target and positive
class. Neighbours: `supervised` below; `net/tensors/pictures` has images; the registry `tsk` is in `shorthand`.
"""

import os
import warnings
from pathlib import Path
from typing import Any

from pipeops.data.supervised import TaskClassif, TaskRegr, as_task_classif, as_task_regr
from pipeops.errors import DataError
from pipeops.shorthand import tsk

OPENML = {"sonar": 40, "mammography": 310}


def cache_folder() -> Path:
    """`$PIPEOPS_CACHE`, else the user's cache folder of this platform."""
    if "PIPEOPS_CACHE" in os.environ:
        return Path(os.environ["PIPEOPS_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "pipeops"


def table(name: str) -> Any:
    """The data set `name` as a polars frame from `$PIPEOPS_DATA/<name>.csv`, the cache, or OpenML."""
    import polars as pl

    folders = [Path(os.environ["PIPEOPS_DATA"])] if "PIPEOPS_DATA" in os.environ else []
    for folder in (*folders, cache_folder()):
        path = folder / f"{name}.csv"
        if path.is_file():
            return pl.read_csv(path, infer_schema_length=None)
    return _download(name)


def _download(name: str) -> Any:
    """Fetch from OpenML and keep as CSV in the cache folder."""
    import polars as pl
    from sklearn.datasets import fetch_openml

    target = cache_folder() / f"{name}.csv"
    try:
        with warnings.catch_warnings(action="ignore"):  # of each attempt; the error says it all
            fetched: Any = fetch_openml(data_id=OPENML[name], as_frame=False, parser="liac-arff", cache=False)
    except Exception as error:
        raise DataError(
            f"The data set '{name}' is neither in $PIPEOPS_DATA nor in {target.parent}, and downloading it failed "
            f"({type(error).__name__}: {error}). Put OpenML data set {OPENML[name]} there as {name}.csv, with a header line."
        ) from None
    columns = {n: fetched.data[:, j] for j, n in enumerate(_feature_names(name, fetched.data.shape[1]))}
    frame = pl.DataFrame({**columns, "Class" if name == "sonar" else "class": _labels(name, fetched.target)})
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.part")
    frame.write_csv(partial)
    partial.replace(target)
    return frame


def _feature_names(name: str, count: int) -> list[str]:
    return [f"{'V' if name == 'sonar' else 'attr'}{j + 1}" for j in range(count)]


def _labels(name: str, values: Any) -> list[Any]:
    if name == "sonar":
        return [{"Mine": "M", "Rock": "R"}.get(str(v), str(v)) for v in values]
    return [int(str(v).strip("'\"")) for v in values]


def _shipped(loader: str, target: str, names: Any = None, labels: bool = True) -> Any:
    """A data set that ships with scikit-learn as a polars frame; labels are an Enum in the order of scikit-learn."""
    import polars as pl
    from sklearn import datasets

    bunch = getattr(datasets, loader)()
    columns = list(names or bunch.feature_names)
    frame = pl.DataFrame({str(c): bunch.data[:, j] for j, c in enumerate(columns)})
    if not labels:
        return frame.with_columns(pl.Series(target, bunch.target))
    levels = [str(level) for level in bunch.target_names]
    return frame.with_columns(pl.Series(target, [levels[i] for i in bunch.target], dtype=pl.Enum(levels)))


@tsk.add("sonar")
def sonar() -> TaskClassif:
    """Sonar: mines or rocks. 208 rows, 60 numeric features, target Class, positive M."""
    return as_task_classif(table("sonar"), target="Class", positive="M", id="sonar")


@tsk.add("mammography")
def mammography() -> TaskClassif:
    """Mammography: microcalcifications. 11183 rows, 6 numeric features, target class, 260 positives (1)."""
    return as_task_classif(table("mammography"), target="class", positive=1, id="mammography")


@tsk.add("iris")
def iris() -> TaskClassif:
    """Iris flowers. 150 rows, 4 numeric features, target Species with three classes."""
    names = ["Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"]
    return as_task_classif(_shipped("load_iris", "Species", names), target="Species", id="iris")


@tsk.add("wine")
def wine() -> TaskClassif:
    """Wine regions. 178 rows, 13 numeric features, target type with three classes."""
    return as_task_classif(_shipped("load_wine", "type"), target="type", id="wine")


@tsk.add("breast_cancer")
def breast_cancer() -> TaskClassif:
    """Wisconsin breast cancer (diagnostic). 569 rows, 30 numeric features, target class, positive malignant."""
    frame = _shipped("load_breast_cancer", "class")
    return as_task_classif(frame, target="class", positive="malignant", id="breast_cancer")


@tsk.add("digits")
def digits() -> TaskClassif:
    """Handwritten digits, 8 x 8 pixels. 1797 rows, 64 numeric features, target digit with ten integer classes."""
    return as_task_classif(_shipped("load_digits", "digit", labels=False), target="digit", id="digits")


@tsk.add("diabetes")
def diabetes() -> TaskRegr:
    """Diabetes progression after a year. 442 rows, 10 numeric features, target progression."""
    return as_task_regr(_shipped("load_diabetes", "progression", labels=False), target="progression", id="diabetes")
