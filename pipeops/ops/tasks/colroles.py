"""colroles: what role columns play.

Neighbours: `data.task` has the roles; `features` beside this folder changes the columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pipeops.data.roles import WEIGHTS
from pipeops.data.task import ROLES, Task
from pipeops.errors import ConfigError, UnknownKeyError, suggest
from pipeops.graph.pipeop import Channel, PipeOp, operator
from pipeops.ops.base import one_task
from pipeops.params import anything
from pipeops.shorthand import po


@po.add("colroles")
@operator
class ColRoles(PipeOp):
    """Give features other roles: `new_role={"id": [], "g": "group", "s": ["feature", "stratum"]}`.

    new_role: from a feature to its roles (feature, stratum, group, weight, subset), all that it has afterwards; none drops it.
    new_role_direct: instead from roles to the columns that play them afterwards; other roles stay as they are. The target stays.
    In prediction only the role of a feature counts.

    >>> from pipeops import as_task_regr, po
    >>> task = as_task_regr({"a": [1, 2], "w": [1.0, 3.0], "y": [0, 1]}, target="y")
    >>> made = po("colroles", new_role={"w": "weight"}).train([task])[0][0]
    >>> made.feature_names, made.weights().tolist()
    (['a'], [1.0, 3.0])
    """

    inputs: ClassVar[tuple[Channel, ...]] = (Channel("input", "Task", "Task"),)
    outputs: ClassVar[tuple[Channel, ...]] = (Channel("output", "Task", "Task"),)

    new_role: Mapping[str, str | Sequence[str]] | None = anything(None)
    new_role_direct: Mapping[str, str | Sequence[str]] | None = anything(None)

    def __attrs_post_init__(self) -> None:
        if self.new_role is not None and self.new_role_direct is not None:
            raise ConfigError(f"{self.id}: set 'new_role' or 'new_role_direct', not both.")
        for name, given in (("new_role", self.new_role), ("new_role_direct", self.new_role_direct)):
            if given is not None and not isinstance(given, Mapping):
                raise ConfigError(f"{self.id}: '{name}' must be a dictionary between features and roles, got {given!r}.")
        free = [role for role in ROLES if role != "target"]
        for role in [*(role for roles in self._wanted().values() for role in roles), *_lists(self.new_role_direct)]:
            if role not in free:
                raise UnknownKeyError(f"{self.id}: a feature cannot become '{role}'.{suggest(role, free)}")

    def _wanted(self) -> dict[str, list[str]]:
        return _lists(self.new_role)

    def train(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        task = one_task(self, inputs)
        self._check(task)
        if self.new_role_direct is not None:
            direct = {"feature": task.feature_names, **_lists(self.new_role_direct)}
            return (task.with_roles(**direct),), {"columns": []}
        wanted, roles = self._wanted(), dict(task.roles)
        changed = {
            role: [*(n for n in roles[role] if n not in wanted), *(n for n, given in wanted.items() if role in given)]
            for role in ("stratum", "group", *WEIGHTS, "subset", "order")
            if any(n in roles[role] or role in given for n, given in wanted.items())
        }
        made = task.with_roles(**changed, feature=self._features(task)) if changed else task.select(self._features(task))
        return (made,), {"columns": list(wanted)}

    def predict(self, inputs: Sequence[Any], state: Any) -> Sequence[Any]:
        task = one_task(self, inputs)
        self._check(task)
        return (task.select(self._features(task)),)

    def _features(self, task: Task) -> list[str]:
        wanted, direct = self._wanted(), _lists(self.new_role_direct)
        if "feature" in direct:
            return direct["feature"]
        return [name for name in task.feature_names if "feature" in wanted.get(name, ["feature"])]

    def _check(self, task: Task) -> None:
        absent = [name for name in self._wanted() if name not in task.feature_names]
        if absent:
            raise UnknownKeyError(f"{self.id}: no feature '{absent[0]}'.{suggest(absent[0], task.feature_names, 'features')}")


def _lists(given: Mapping[str, str | Sequence[str]] | None) -> dict[str, list[str]]:
    """A dictionary whose values are lists, from one whose single ones may be texts."""
    return {name: [values] if isinstance(values, str) else list(values) for name, values in (given or {}).items()}
