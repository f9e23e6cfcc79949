"""The template robustify: preprocessing after which a learner can take whatever comes.

Neighbours: `templates` has the others; `converting` changes the kinds of columns.
"""

from typing import Any

from pipeops.data.selectors import resolve, selector_cardinality_greater_than, selector_type
from pipeops.errors import ConfigError
from pipeops.graph.converting import convert_types
from pipeops.graph.graph import Graph, chain, gunion
from pipeops.shorthand import po, ppl

KINDS = ("numeric", "boolean", "factor", "text", "datetime")
ACTIONS = {"character_action": ("factor", "matrix", "ignore"), "POSIXct_action": ("numeric", "datefeatures", "ignore")}


@ppl.add("robustify")
def robustify(
    task: Any = None,
    learner: Any = None,
    *,
    impute_missings: bool | None = None,
    factors_to_numeric: bool | None = None,
    max_cardinality: float = 1000,
    character_action: str = "factor",
    POSIXct_action: str = "numeric",  # noqa: N803 - the reference's name
) -> Graph:
    """Preprocessing after which a learner can take whatever comes.

    Constant columns go; text becomes categories and dates numbers; missing numbers are drawn from a histogram and have an
    indicator, missing categories are a level of their own and unseen ones drawn from those of training; categories become
    numbers. task: leaves out what its columns do not need; without one they need all. learner: leaves out what it takes as it is
    (`takes_missing`, `takes_categories`). impute_missings, factors_to_numeric: True and False decide instead. max_cardinality:
    rarer levels beyond so many are merged. character_action: text as "factor", as a "matrix" of words, or "ignore".
    POSIXct_action: dates and times as "numeric" (days or seconds since 1970), "datefeatures" or "ignore". With a "!" behind it,
    an action is taken needed or not.

    >>> from pipeops import lrn, ppl, tsk
    >>> ppl("robustify", task=tsk("iris"), learner=lrn("classif.lda")).ids()
    ['removeconstants_prerobustify', 'removeconstants_postrobustify']
    """
    has = {*KINDS} if task is None else _kinds(task)
    categories, missing = (bool(getattr(learner, f"takes_{what}", False)) for what in ("categories", "missing"))
    text = _action("character_action", character_action, "text" in has and not categories)
    dates = _action("POSIXct_action", POSIXct_action, "datetime" in has)
    factors = "factor" in has or text == "factor"
    holes = task is None or any(task.missings().values())
    impute = holes and not missing if impute_missings is None else impute_missings
    numeric = factors and not categories if factors_to_numeric is None else factors_to_numeric
    numbers = "numeric" in has or dates != "ignore" or text == "matrix"
    levels = factors or ("text" in has and text != "matrix")
    indicators = "numeric" if numeric or not (categories or factors_to_numeric is False) else "categorical"
    return chain(
        [
            po("removeconstants", id="removeconstants_prerobustify", na_ignore=False),
            *_converting(text, dates),
            *(_imputing(numbers, "boolean" in has, indicators) if impute else []),
            *([po("imputeoor", affect_columns=selector_type("categorical"))] if impute and levels else []),
            *([po("fixfactors", affect_columns=selector_type("categorical"))] if levels else []),
            *(_drawing() if impute or (factors and not missing) else []),
            *([po("collapsefactors", target_level_count=int(max_cardinality))] if _many(task, max_cardinality) else []),
            *([po("encode")] if numeric else []),
            po("removeconstants", id="removeconstants_postrobustify"),
        ]
    )


def _kinds(task: Any) -> set[str]:
    """The kinds of a task's features, text apart from other categories."""
    texts = set(resolve(selector_type("text"), task))
    other = {kind for name, kind in task.feature_types.items() if name not in texts}
    return {"factor" if kind == "categorical" else kind for kind in other} | ({"text"} if texts else set())


def _action(name: str, given: Any, needed: bool) -> str:
    """What is done, "ignore" where it is not needed and not insisted on."""
    action = given.removesuffix("!") if isinstance(given, str) else given
    if action not in ACTIONS[name]:
        words = ", ".join(f'"{word}"' for word in ACTIONS[name])
        raise ConfigError(f'ppl("robustify"): \'{name}\' is one of {words}, or one with "!" behind it, got {given!r}.')
    return action if needed or given.endswith("!") else "ignore"


def _converting(text: str, dates: str) -> list[Any]:
    """Text as categories or words, dates as numbers."""
    steps: list[Any] = []
    if text == "factor":
        steps.append(convert_types("text", "categorical", id="char_to_fct", fixfactors=False))
    if text == "matrix":
        steps.append(po("textvectorizer", affect_columns=selector_type("text")))
    if dates == "numeric":
        steps.append(convert_types("datetime", "numeric", id="POSIXct_to_dbl"))
    return [*steps, *([po("datefeatures")] if dates == "datefeatures" else [])]


def _imputing(numbers: bool, booleans: bool, indicators: str) -> list[Any]:
    """Imputation of numbers and booleans beside their indicators."""
    drawn = [po("imputehist")] if numbers else []
    drawn += [po("imputesample", id="impute_logicals", affect_columns=selector_type("boolean"))] if booleans else []
    if not drawn:
        return []
    holes = po("missind", type=indicators, affect_columns=selector_type("numeric", "boolean"))
    return [gunion([chain(drawn), holes]), po("featureunion", id="featureunion_robustify")]


def _drawing() -> list[Any]:
    return [po("imputesample", affect_columns=selector_type("categorical"))]


def _many(task: Any, most: float) -> bool:
    """Whether a column may have too many levels."""
    if most == float("inf"):
        return False
    return task is None or bool(resolve(selector_cardinality_greater_than(int(most)), task))
