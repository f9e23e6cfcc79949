"""The built-in tasks: `tsk("sonar")`.

Files are looked up in `$PIPEOPS_DATA`, then in the cache folder, then downloaded once (OpenML, through scikit-learn) into
the cache; iris, wine, breast_cancer, digits and diabetes ship with scikit-learn, mtcars stands here.
Each entry states its target and positive class. Neighbours: `supervised` below;
`net/tensors/pictures` has images; the registry `tsk` is in `shorthand`.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from pipeops.data.supervised import TaskClassif, TaskRegr, as_task_classif, as_task_regr
from pipeops.errors import DataError
from pipeops.shorthand import tsk


@attrs.frozen
class OpenMLRow:
    """A data set of OpenML: its number, what its target is called here, and how its columns and labels are.

    names: of the features in the order of OpenML; None keeps those. labels: what labels are here. drop: columns left out.
    zeros_missing: columns in which 0 stands for missing.
    """

    number: int
    target: str
    names: Callable[[int], list[str]] | None = None
    labels: Callable[[str], Any] = str
    drop: tuple[str, ...] = ()
    zeros_missing: tuple[str, ...] = ()


def _numbered(stem: str) -> Callable[[int], list[str]]:
    return lambda count: [f"{stem}{j + 1}" for j in range(count)]


def _listed(text: str) -> Callable[[int], list[str]]:
    return lambda count: text.split()


OPENML = {
    "sonar": OpenMLRow(40, "Class", _numbered("V"), {"Mine": "M", "Rock": "R"}.__getitem__),
    "mammography": OpenMLRow(310, "class", _numbered("attr"), lambda v: int(v.strip("'\""))),
    "german_credit": OpenMLRow(
        31,
        "credit_risk",
        _listed(
            "status duration credit_history purpose amount savings employment_duration installment_rate personal_status_sex "
            "other_debtors present_residence property age other_installment_plans housing number_credits job people_liable "
            "telephone foreign_worker"
        ),
    ),
    "pima": OpenMLRow(
        37,
        "diabetes",
        _listed("pregnant glucose pressure triceps insulin mass pedigree age"),
        {"tested_positive": "pos", "tested_negative": "neg"}.__getitem__,
        zeros_missing=("glucose", "pressure", "triceps", "insulin", "mass"),
    ),
    "spam": OpenMLRow(
        44,
        "type",
        _listed(
            "make address all num3d our over remove internet order mail receive will people report addresses free business email "
            "you credit your font num000 money hp hpl george num650 lab labs telnet num857 data num415 num85 technology num1999 "
            "parts pm direct cs meeting original project re edu table conference charSemicolon charRoundbracket "
            "charSquarebracket charExclamation charDollar charHash capitalAve capitalLong capitalTotal"
        ),
        {"1": "spam", "0": "nonspam"}.__getitem__,
    ),
    "zoo": OpenMLRow(62, "type", drop=("animal",)),
    "penguins": OpenMLRow(42585, "species", _listed("island bill_length bill_depth flipper_length body_mass sex")),
    "california_housing": OpenMLRow(43939, "median_house_value", labels=float),
    "boston_housing": OpenMLRow(531, "medv", _listed("crim zn indus chas nox rm age dis rad tax ptratio b lstat"), float),
}


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

    target, remote = cache_folder() / f"{name}.csv", OPENML[name]
    try:
        with warnings.catch_warnings(action="ignore"):  # of each attempt; the error says it all
            fetched: Any = fetch_openml(data_id=remote.number, as_frame=False, parser="liac-arff", cache=False)
    except Exception as error:
        raise DataError(
            f"The data set '{name}' is neither in $PIPEOPS_DATA nor in {target.parent}, and downloading it failed "
            f"({type(error).__name__}: {error}). Put OpenML data set {remote.number} there as {name}.csv, with a header line: "
            f"{', '.join([*(remote.names(0)[:8] if remote.names else ['its columns']), '...', remote.target])}."
        ) from None
    frame = pl.DataFrame(_columns(remote, fetched), strict=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.part")
    frame.write_csv(partial)
    partial.replace(target)
    return frame


def _columns(remote: OpenMLRow, fetched: Any) -> dict[str, list[Any]]:
    """The columns by their names here, categories as texts, what is missing as None."""
    own = list(fetched.feature_names)
    names = remote.names(len(own)) if remote.names else own
    found = {}
    for j, (name, theirs) in enumerate(zip(names, own, strict=True)):
        levels = (fetched.categories or {}).get(theirs)
        values = [None if v is None or v != v else v for v in fetched.data[:, j].tolist()]
        found[name] = values if levels is None else [None if v is None else str(levels[int(v)]) for v in values]
    for name in remote.zeros_missing:
        found[name] = [v or None for v in found[name]]
    kept = {name: values for name, values in found.items() if name not in remote.drop}
    return {**kept, remote.target: [remote.labels(str(v)) for v in fetched.target]}


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


@tsk.add("german_credit")
def german_credit() -> TaskClassif:
    """German credit risk. 1000 rows, 20 features (7 numeric, 13 categorical), target credit_risk, positive good."""
    return as_task_classif(table("german_credit"), target="credit_risk", positive="good", id="german_credit")


@tsk.add("pima")
def pima() -> TaskClassif:
    """Diabetes of Pima women. 768 rows, 8 numeric features with missing values, target diabetes, positive pos."""
    return as_task_classif(table("pima"), target="diabetes", positive="pos", id="pima")


@tsk.add("spam")
def spam() -> TaskClassif:
    """E-mail, spam or not. 4601 rows, 57 numeric features, target type, positive spam."""
    return as_task_classif(table("spam"), target="type", positive="spam", id="spam")


@tsk.add("zoo")
def zoo() -> TaskClassif:
    """Animals by what they have. 101 rows, 16 features, target type with seven classes."""
    return as_task_classif(table("zoo"), target="type", id="zoo")


@tsk.add("penguins")
def penguins() -> TaskClassif:
    """Palmer penguins. 344 rows, 6 features (4 numeric, 2 categorical) with missing values, target species with three classes."""
    return as_task_classif(table("penguins"), target="species", id="penguins")


@tsk.add("california_housing")
def california_housing() -> TaskRegr:
    """House values in California. 20640 rows, 9 features (8 numeric, ocean_proximity), target median_house_value."""
    return as_task_regr(table("california_housing"), target="median_house_value", id="california_housing")


@tsk.add("boston_housing")
def boston_housing() -> TaskRegr:
    """House values in Boston. 506 rows, 13 features, target medv, in 1000 dollars."""
    return as_task_regr(table("boston_housing"), target="medv", id="boston_housing")


@tsk.add("mtcars")
def mtcars() -> TaskRegr:
    """Cars of 1974 (Motor Trend). 32 rows, 10 numeric features, target mpg.

    >>> from pipeops import tsk
    >>> round(float(tsk("mtcars").truth().mean()), 2)
    20.09
    """
    import polars as pl

    rows = [[float(value) for value in row.split()] for row in MTCARS.split("/")]
    return as_task_regr(pl.DataFrame(rows, schema=_CARS.split(), orient="row"), target="mpg", id="mtcars")


_CARS = "mpg cyl disp hp drat wt qsec vs am gear carb"
MTCARS = (
    "21 6 160 110 3.9 2.62 16.46 0 1 4 4/21 6 160 110 3.9 2.875 17.02 0 1 4 4/22.8 4 108 93 3.85 2.32 18.61 1 1 4 1/"
    "21.4 6 258 110 3.08 3.215 19.44 1 0 3 1/18.7 8 360 175 3.15 3.44 17.02 0 0 3 2/18.1 6 225 105 2.76 3.46 20.22 1 0 3 1/"
    "14.3 8 360 245 3.21 3.57 15.84 0 0 3 4/24.4 4 146.7 62 3.69 3.19 20 1 0 4 2/22.8 4 140.8 95 3.92 3.15 22.9 1 0 4 2/"
    "19.2 6 167.6 123 3.92 3.44 18.3 1 0 4 4/17.8 6 167.6 123 3.92 3.44 18.9 1 0 4 4/16.4 8 275.8 180 3.07 4.07 17.4 0 0 3 3/"
    "17.3 8 275.8 180 3.07 3.73 17.6 0 0 3 3/15.2 8 275.8 180 3.07 3.78 18 0 0 3 3/10.4 8 472 205 2.93 5.25 17.98 0 0 3 4/"
    "10.4 8 460 215 3 5.424 17.82 0 0 3 4/14.7 8 440 230 3.23 5.345 17.42 0 0 3 4/32.4 4 78.7 66 4.08 2.2 19.47 1 1 4 1/"
    "30.4 4 75.7 52 4.93 1.615 18.52 1 1 4 2/33.9 4 71.1 65 4.22 1.835 19.9 1 1 4 1/21.5 4 120.1 97 3.7 2.465 20.01 1 0 3 1/"
    "15.5 8 318 150 2.76 3.52 16.87 0 0 3 2/15.2 8 304 150 3.15 3.435 17.3 0 0 3 2/13.3 8 350 245 3.73 3.84 15.41 0 0 3 4/"
    "19.2 8 400 175 3.08 3.845 17.05 0 0 3 2/27.3 4 79 66 4.08 1.935 18.9 1 1 4 1/26 4 120.3 91 4.43 2.14 16.7 0 1 5 2/"
    "30.4 4 95.1 113 3.77 1.513 16.9 1 1 5 2/15.8 8 351 264 4.22 3.17 14.5 0 1 5 4/19.7 6 145 175 3.62 2.77 15.5 0 1 5 6/"
    "15 8 301 335 3.54 3.57 14.6 0 1 5 8/21.4 4 121 109 4.11 2.78 18.6 1 1 4 2"
)
