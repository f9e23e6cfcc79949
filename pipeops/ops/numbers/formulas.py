"""New columns by formulas: mutate (narwhals expressions, functions of the frame), modelmatrix (formulas as in statistics).

Neighbours: `rowwise` applies functions to rows, `features` beside this folder to columns.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import narwhals as nw
import numpy as np

from pipeops.data.columns import kind, levels_of, new_frame
from pipeops.errors import ConfigError, DataError
from pipeops.extras import extra
from pipeops.ops.base import Frame, Preprocess, Series, operator
from pipeops.params import anything, flag
from pipeops.shorthand import po


@po.add("mutate")
@operator
class Mutate(Preprocess):
    """Add features, or change them, by expressions.

    mutation: a dictionary from a name to a narwhals expression (`nw.col("a") / nw.col("b")`), to a function that takes the frame
    and answers a series or array, or to a number or text for all rows. All of them see the features as they come, and the new
    columns before them.
    delete_originals: keep only the columns that `mutation` names.

    >>> import narwhals as nw
    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [1.0, 2.0], "b": [2.0, 8.0], "y": [0, 1]}, target="y")
    >>> node = po("mutate", mutation={"ratio": nw.col("b") / nw.col("a"), "sum": lambda frame: frame["a"] + frame["b"]})
    >>> node.train([task])[0][0].data(columns=["ratio", "sum"]).rows()
    [(2.0, 3.0), (4.0, 10.0)]
    """

    mutation: Mapping[str, Any] | None = anything(None)
    delete_originals: bool = flag(False)

    def __attrs_post_init__(self) -> None:
        given: Any = {} if self.mutation is None else self.mutation
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise ConfigError(f"{self.id}: 'mutation' must be a dictionary from names to expressions, got {self.mutation!r}.")

    def apply(self, frame: Frame, state: Any) -> Frame:
        made, seen, own = list[Series](), frame, {*frame.columns}
        for name, value in (self.mutation or {}).items():
            made.append(self._column(seen, name, value))
            seen = seen if name in own else seen.with_columns(made[-1])
        if self.delete_originals:
            return new_frame({column.name: column for column in made}, like=frame) if made else frame.select()
        return frame.with_columns(*made) if made else frame

    def _column(self, frame: Frame, name: str, value: Any) -> Series:
        try:
            if callable(value) and not isinstance(value, nw.Expr):
                value = value(frame)
            if isinstance(value, nw.Series | np.ndarray | list):
                made: Series = value.alias(name) if isinstance(value, nw.Series) else new_frame({name: value}, like=frame)[name]
            else:
                expr = value if isinstance(value, nw.Expr) else nw.lit(value)
                made = frame.with_columns(expr.alias(name)).get_column(name)
        except Exception as error:
            raise DataError(f"{self.id}: '{name}' cannot be computed from {frame.columns}: {error}") from error
        if len(made) != len(frame):
            raise DataError(f"{self.id}: '{name}' has {len(made)} values for {len(frame)} rows; give one for each row.")
        return made


@po.add("modelmatrix")
@operator
class ModelMatrix(Preprocess):
    """Replace all features by the columns of a model matrix: `~ a * b`, `~ . ^ 2`, `~ 0 + log(a)` (extra `formula`).

    formula: the right-hand side as formulaic reads it; `.` is every feature. Categories become treatment contrasts, named
    `<column><level>`; `(Intercept)` is 1 unless the formula has 0. A row with a missing value, or with a level that training did
    not have, is missing. Functions that learn from the data (`center`, `scale`, `bs`, `poly`) are refused: operators do that.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"f": ["a", "b"], "x": [2.0, 3.0], "y": [0, 1]}, target="y")
    >>> po("modelmatrix", formula="~ . ^ 2").train([task])[0][0].data(columns=["(Intercept)", "fb", "x", "fb:x"]).rows()
    [(1.0, 0.0, 2.0, 0.0), (1.0, 1.0, 3.0, 3.0)]
    """

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "boolean", "categorical")
    example: ClassVar[Any] = {"formula": "~ a + b", "affect_columns": ["a", "b"]}

    formula: str = anything("~ .")

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.formula, str):
            raise ConfigError(f"{self.id}: 'formula' must be a text such as \"~ .\", got {self.formula!r}.")

    def fit(self, frame: Frame, target: Series | None) -> dict[str, Any]:
        levels = {c.name: levels_of(c) for c in frame.iter_columns() if kind(c.dtype) == "categorical"}
        return {"levels": levels, "names": list(self._made(frame, levels)) if len(frame) else []}

    def apply(self, frame: Frame, state: dict[str, Any]) -> Frame:
        made = self._made(frame, state["levels"]) if len(frame) else dict.fromkeys(state["names"], np.zeros(0))
        return new_frame({name: made[name] for name in state["names"]}, like=frame) if state["names"] else frame.select()

    def _made(self, frame: Frame, levels: Mapping[str, list[Any]]) -> dict[str, Any]:
        formulaic, pd = (extra(module, "formula", self.id) for module in ("formulaic", "pandas"))
        data = {c.name: self._plain(pd, c, levels.get(c.name)) for c in frame.iter_columns()}
        whole = pd.DataFrame(data)
        quoted = " + ".join(f"`{name}`" for name in frame.columns)
        text = self.formula.replace("^", "**").strip().removeprefix("~")
        text = f"({quoted})".join(part for part in _split_dot(text))
        try:
            matrix = formulaic.model_matrix(text, whole, na_action="ignore", ensure_full_rank=True)
        except Exception as error:
            raise DataError(
                f"{self.id}: the formula '{self.formula}' does not fit the features {frame.columns}: {error}"
            ) from error
        if matrix.model_spec.transform_state:
            raise ConfigError(
                f"{self.id}: '{self.formula}' learns from the data ({next(iter(matrix.model_spec.transform_state))}); use "
                'operators such as po("scale") or po("splines") before it.'
            )
        holed = whole.isna().any(axis=1).to_numpy()
        return {_name(n): np.where(holed, np.nan, matrix[n].to_numpy().astype(np.float64)) for n in matrix.columns}

    def _plain(self, pd: Any, column: Series, levels: list[Any] | None) -> Any:
        if levels is not None:
            return pd.Categorical([v if v in levels else None for v in column.to_list()], categories=levels)
        numbers = column.cast(nw.Float64).to_list()
        return np.array([np.nan if v is None else v for v in numbers], dtype=np.float64)


def _split_dot(text: str) -> list[str]:
    """The parts of a formula between dots that stand alone."""
    import re

    return re.split(r"(?<![\w`.)])\.(?![\w`(])", text)


def _name(name: str) -> str:
    """formulaic's name for a column as R has it: `f[T.b]` is `fb`, `Intercept` is `(Intercept)`."""
    import re

    return "(Intercept)" if name == "Intercept" else re.sub(r"\[(?:T\.)?([^\]]*)\]", r"\1", name).replace("`", "")
