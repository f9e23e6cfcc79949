"""Fine-tuning: which parameters are trained from the start, and which from a later epoch on.

Neighbours: `optimizers.by_node` says what names mean; the optimizers leave alone what has no gradient.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from pipeops.errors import ConfigError
from pipeops.net.callbacks.base import Callback
from pipeops.net.callbacks.context import Context
from pipeops.net.optimizers.by_node import ParameterNames
from pipeops.params import UNSET, anything
from pipeops.shorthand import t_clbk


@t_clbk.add("unfreeze")
@attrs.define(eq=False, repr=False, slots=False)
class Unfreeze(Callback):
    """Only some parameters are trained at first, others from a later epoch on.

    starting_weights: names of what is trained from the start: ids of nodes, parameters, patterns (as in `lr={...}`, see
    `docs/training.md`). unfreeze: by epoch (from 1), the names of what is trained from its beginning on. All else keeps its first
    values; norms that are frozen still note means and variances.

    >>> from pipeops import t_clbk
    >>> t_clbk("unfreeze", starting_weights=["head"], unfreeze={5: ["linear"]})
    t_clbk("unfreeze", starting_weights=["head"], unfreeze={5: ["linear"]})
    """

    in_place: ClassVar[bool] = True
    starting_weights: Any = anything()
    unfreeze: Any = anything(None)

    def __attrs_post_init__(self) -> None:
        plan = self.unfreeze
        fits = plan is None or (isinstance(plan, Mapping) and all(isinstance(e, int) and e > 0 for e in plan))
        if not fits:
            raise ConfigError(f"unfreeze: 'unfreeze' gives names by epoch (from 1), as in {{5: [\"linear\"]}}, got {plan!r}.")

    def on_begin(self, ctx: Context) -> None:
        if self.starting_weights is UNSET:
            raise ConfigError("unfreeze: set 'starting_weights' before training.")
        names = ParameterNames(ctx.network, self.id)
        plan: Mapping[int, Any] = self.unfreeze or {}
        self._later = {epoch: _found(names, given, f"unfreeze[{epoch}]") for epoch, given in plan.items()}
        first = _found(names, self.starting_weights, "starting_weights")
        if not first and not self._later.get(1):
            raise ConfigError("unfreeze: nothing would be trained in the first epoch; name some starting_weights.")
        self._params = names.params
        for name, param in names.params.items():
            param.requires_grad_(name in first)

    def on_epoch_begin(self, ctx: Context) -> None:
        for name in self._later.get(ctx.epoch, ()):
            self._params[name].requires_grad_(True)

    def on_exit(self, ctx: Context) -> None:
        self._params = {}

    def state_dict(self) -> dict[str, Any]:
        """What is trained now, by name."""
        return {"trained": [name for name, param in self._params.items() if param.requires_grad]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in state["trained"]:
            self._params[name].requires_grad_(True)


def _found(names: ParameterNames, given: Any, what: str) -> set[str]:
    """The parameters of which these names speak."""
    patterns = [given] if isinstance(given, str) else list(given)
    return {name for found in names.chosen(patterns, what).values() for name in found}
