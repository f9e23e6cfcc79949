"""What a column is for: the roles there are, and the columns that a user names for one. Neighbours: `task` above."""

from typing import Any

import numpy as np

from pipeops.data.positions import names_of
from pipeops.errors import ConfigError, UnknownKeyError, listing, suggest

WEIGHTS = ("weight", "weights_learner", "weights_measure")
"""Weights of rows: for learners and measures alike, for learners only, for measures only; the special ones come first."""
ROLES = ("feature", "target", "stratum", "group", *WEIGHTS, "subset", "order")
NOT_FEATURES = ("target", "group", *WEIGHTS, "subset", "order")
SINGLE = ("group", *WEIGHTS, "order")
ROLE_PROPERTIES = {
    "stratum": "strata",
    "group": "groups",
    "weight": "weights",
    "weights_learner": "weights_learner",
    "weights_measure": "weights_measure",
    "subset": "subsets",
    "order": "ordered",
}


def columns_for(role: str, given: Any, one_target: bool = True) -> tuple[str, ...]:
    """The columns for a role, by name."""
    if role not in ROLES:
        raise UnknownKeyError(f"with_roles: no role '{role}'.{suggest(role, ROLES)}")
    if hasattr(given, "dtype") and not np.ndim(given) == 0 and np.asarray(given).dtype.kind not in "OUT":
        raise ConfigError(
            f"with_roles: the role '{role}' takes names of columns, not values; add the values as a column of the table first, "
            f'as in as_task_regr({{**columns, "{role}": values}}, target="y").with_roles({role}="{role}").'
        )
    names = () if given is None else tuple(names_of(given))
    if len(names) > 1 and (role in SINGLE or (role == "target" and one_target)):
        hint = "; make a task for each target" if role == "target" else ""
        raise ConfigError(f"with_roles: the role '{role}' takes one column, got {listing(names)}{hint}.")
    if role == "target" and not names:
        raise ConfigError("with_roles: the role 'target' takes at least one column, got none.")
    return names
