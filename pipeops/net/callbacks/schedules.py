"""Schedules of the learning rate: torch's own schedulers, `t_clbk("lr_step", step_size=10)` and its like.

A scheduler needs a torch optimizer, which training does without; it gets `Rates`, which holds nothing but the settings of the
run's stepper, and what the scheduler changes there (rates, momenta) goes back to the stepper. So the numbers are those of
torch, and any optimizer may be scheduled. Several schedules follow one another as they do in torch.
Neighbours: base has the stages, `optimizers.fused` the steppers.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import torch
from torch.optim import lr_scheduler

from pipeops.errors import ConfigError
from pipeops.net.callbacks.arithmetic import is_arithmetic
from pipeops.net.callbacks.base import Callback
from pipeops.net.callbacks.context import Context
from pipeops.params import UNSET, anything, choice, flag, integer, real
from pipeops.shorthand import t_clbk


class Rates(torch.optim.Optimizer):
    """The settings of an optimizer without its parameters, for a scheduler to change."""

    def __init__(self, groups: list[dict[str, Any]]):
        self.param_groups, self.defaults, self._opt_called = groups, groups[0], True

    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Nothing to update."""


class Schedule(Callback):
    """Base of the schedules: a subclass says which scheduler, from its hyperparameters, and when it steps."""

    @abstractmethod
    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        """Torch's scheduler for these rates."""

    def on_begin(self, ctx: Context) -> None:
        for name, value in self.params.items():
            if value is UNSET:
                raise ConfigError(f"{self.id}: set '{name}' before training.")
        self._rates = Rates(ctx.stepper.groups)
        if getattr(self, "last_epoch", -1) != -1:
            for group in self._rates.param_groups:
                group.setdefault("initial_lr", group["lr"])
        try:
            self._scheduler = self.scheduler(self._rates, ctx)
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigError(f"{self.id}: torch refuses these settings: {error}") from error
        ctx.stepper.adjust(self._rates.param_groups)

    def turn(self, ctx: Context, *score: float) -> None:
        """One step of the scheduler."""
        self._rates.param_groups = ctx.stepper.groups
        self._scheduler.step(*score)
        ctx.stepper.adjust(self._rates.param_groups)

    def state_dict(self) -> dict[str, Any]:
        """That of torch's scheduler."""
        return self._scheduler.state_dict() if hasattr(self, "_scheduler") else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("total_steps", "T_max"):
            before, now = state.get(name), getattr(self._scheduler, name, None)
            if before != now:
                raise ConfigError(
                    f"{self.id}: the checkpoint's schedule has {before} steps, this run's {now}; "
                    f"train as many epochs and batches, or set {name} from the start."
                )
        self._scheduler.load_state_dict(state)


class Epochwise(Schedule):
    """Base of schedules that step after each epoch."""

    def on_epoch_end(self, ctx: Context) -> None:
        self.turn(ctx)


def _by_arithmetic(schedule: Any) -> bool:
    """Whether the functions of a schedule are arithmetic on the epoch."""
    functions = schedule.lr_lambda
    return all(map(is_arithmetic, functions if isinstance(functions, list | tuple) else [functions]))


@t_clbk.add("lr_cosine_annealing")
@attrs.define(eq=False, repr=False, slots=False)
class CosineAnnealing(Epochwise):
    """The rate falls along half a cosine (Loshchilov & Hutter 2017); `torch.optim.lr_scheduler.CosineAnnealingLR`.

    T_max: epochs until it is at its lowest, all epochs by default. eta_min: the lowest rate. last_epoch: -1 begins anew.

    >>> from pipeops import t_clbk
    >>> t_clbk("lr_cosine_annealing", T_max=20)
    t_clbk("lr_cosine_annealing", T_max=20)
    """

    sets_rates: ClassVar[bool] = True
    T_max: int | None = integer(1, default=None)
    eta_min: float = real(0, default=0.0)
    last_epoch: int = integer(-1, default=-1)

    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        return lr_scheduler.CosineAnnealingLR(rates, self.T_max or max(1, ctx.epochs), self.eta_min, self.last_epoch)


@t_clbk.add("lr_step")
@attrs.define(eq=False, repr=False, slots=False)
class StepDecay(Epochwise):
    """The rate is multiplied by `gamma` every `step_size` epochs; `torch.optim.lr_scheduler.StepLR`.

    >>> from pipeops import t_clbk
    >>> t_clbk("lr_step", step_size=10)
    t_clbk("lr_step", step_size=10)
    """

    sets_rates: ClassVar[bool] = True
    step_size: int = integer(1)
    gamma: float = real(0, default=0.1)
    last_epoch: int = integer(-1, default=-1)

    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        return lr_scheduler.StepLR(rates, self.step_size, self.gamma, self.last_epoch)


@t_clbk.add("lr_lambda")
@attrs.define(eq=False, repr=False, slots=False)
class Lambda(Epochwise):
    """The first rate times a function of how many epochs are over (from 0); `torch.optim.lr_scheduler.LambdaLR`.

    lr_lambda: the function, or one for each group of parameters. Runs whose function is arithmetic on the epoch train together.

    >>> from pipeops import t_clbk
    >>> t_clbk("lr_lambda", lr_lambda=abs).id
    'lr_lambda'
    """

    sets_rates: ClassVar[Any] = property(_by_arithmetic)
    lr_lambda: Any = anything()
    last_epoch: int = integer(-1, default=-1)

    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        return lr_scheduler.LambdaLR(rates, self.lr_lambda, self.last_epoch)


@t_clbk.add("lr_multiplicative")
@attrs.define(eq=False, repr=False, slots=False)
class Multiplicative(Epochwise):
    """The present rate times a function of how many epochs are over (from 1); `torch.optim.lr_scheduler.MultiplicativeLR`.

    lr_lambda: the function, or one for each group of parameters. Runs whose function is arithmetic on the epoch train together.

    >>> from pipeops import t_clbk
    >>> t_clbk("lr_multiplicative", lr_lambda=abs).id
    'lr_multiplicative'
    """

    sets_rates: ClassVar[Any] = property(_by_arithmetic)
    lr_lambda: Any = anything()
    last_epoch: int = integer(-1, default=-1)

    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        return lr_scheduler.MultiplicativeLR(rates, self.lr_lambda, self.last_epoch)


@t_clbk.add("lr_warmup")
@attrs.define(eq=False, repr=False, slots=False)
class Warmup(Schedule):
    """The rate rises linearly from `start_factor` to `end_factor` times itself; `torch.optim.lr_scheduler.LinearLR`.

    total_iters: in how many steps of the schedule. by: whether it steps after each "epoch" or "batch".

    >>> from pipeops import t_clbk
    >>> t_clbk("lr_warmup", total_iters=100, by="batch")
    t_clbk("lr_warmup", total_iters=100, by="batch")
    """

    in_place: ClassVar[bool] = True
    start_factor: float = real(0, 1, default=1 / 3)
    end_factor: float = real(0, 1, default=1.0)
    total_iters: int = integer(1, default=5)
    by: str = choice("epoch", "batch", default="epoch")

    def __attrs_post_init__(self) -> None:
        stage = "on_epoch_end" if self.by == "epoch" else "on_batch_end"
        setattr(self, stage, self.turn)

    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        return lr_scheduler.LinearLR(rates, self.start_factor, self.end_factor, self.total_iters)


@t_clbk.add("lr_one_cycle")
@attrs.define(eq=False, repr=False, slots=False)
class OneCycle(Schedule):
    """The rate rises to `max_lr` and falls far below where it began, batch by batch (Smith & Topin 2018); `OneCycleLR` of torch.

    total_steps: batches in all, or epochs times steps_per_epoch, by default those of the run; with a batch sampler, which decides
    how many there are, say so. The others are torch's.

    >>> from pipeops import t_clbk
    >>> t_clbk("lr_one_cycle", max_lr=0.1)
    t_clbk("lr_one_cycle", max_lr=0.1)
    """

    in_place: ClassVar[bool] = True
    max_lr: Any = anything()
    total_steps: int | None = integer(1, default=None)
    epochs: int | None = integer(1, default=None)
    steps_per_epoch: int | None = integer(1, default=None)
    pct_start: float = real(0, 1, default=0.3)
    anneal_strategy: str = choice("cos", "linear", default="cos")
    cycle_momentum: bool = flag(True)
    base_momentum: Any = anything(0.85)
    max_momentum: Any = anything(0.95)
    div_factor: float = real(0, default=25.0)
    final_div_factor: float = real(0, default=10000.0)
    three_phase: bool = flag(False)

    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        number = self.total_steps or (self.epochs or ctx.epochs) * (self.steps_per_epoch or ctx.steps)
        if not number:
            raise ConfigError(f"{self.id}: it is not known how many batches there will be; set steps_per_epoch or total_steps.")
        names = ("pct_start", "anneal_strategy", "cycle_momentum", "base_momentum", "max_momentum", "div_factor")
        given = {name: getattr(self, name) for name in (*names, "final_div_factor", "three_phase")}
        return lr_scheduler.OneCycleLR(rates, self.max_lr, total_steps=number, **given)

    def on_batch_end(self, ctx: Context) -> None:
        if self._scheduler.last_epoch < self._scheduler.total_steps:
            self.turn(ctx)


@t_clbk.add("lr_reduce_on_plateau")
@attrs.define(eq=False, repr=False, slots=False)
class ReduceOnPlateau(Schedule):
    """The rate falls when the first validation measure (the training loss where there is none) no longer gets better.

    It is multiplied by `factor` after `patience` evaluations without a better one; `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    mode: "min", "max", or None for what is better by the measure.

    >>> from pipeops import t_clbk
    >>> t_clbk("lr_reduce_on_plateau", patience=3)
    t_clbk("lr_reduce_on_plateau", patience=3)
    """

    sets_rates: ClassVar[bool] = True
    mode: str | None = choice("min", "max", default=None)
    factor: float = real(0, default=0.1)
    patience: int = integer(0, default=10)
    threshold: float = real(0, default=1e-4)
    threshold_mode: str = choice("rel", "abs", default="rel")
    cooldown: int = integer(0, default=0)
    min_lr: Any = anything(0.0)
    eps: float = real(0, default=1e-8)

    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        watched = ctx.measures_valid[0] if ctx.task_valid is not None else None
        rises = watched is not None and watched.minimize is False
        names = ("factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        return lr_scheduler.ReduceLROnPlateau(rates, self.mode or ("max" if rises else "min"), **given)  # type: ignore[arg-type]

    def on_epoch_end(self, ctx: Context) -> None:
        if ctx.task_valid is None:
            self.turn(ctx, ctx.mean_loss)
        elif ctx.last_scores_valid:
            self.turn(ctx, next(iter(ctx.last_scores_valid.values())))


@t_clbk.add("lr_scheduler")
@attrs.define(eq=False, repr=False, slots=False)
class AnySchedule(Schedule):
    """Any other scheduler. make: a class or function of the optimizer, such as `partial(ExponentialLR, gamma=0.9)`.

    by: whether it steps after each "epoch" or "batch".

    >>> from pipeops import t_clbk
    >>> t_clbk("lr_scheduler", make=torch.optim.lr_scheduler.ConstantLR)
    t_clbk("lr_scheduler", make=torch.optim.lr_scheduler.ConstantLR)
    """

    make: Callable[..., Any] = anything()
    by: str = choice("epoch", "batch", default="epoch")

    def __attrs_post_init__(self) -> None:
        setattr(self, "on_epoch_end" if self.by == "epoch" else "on_batch_end", self.turn)

    def scheduler(self, rates: Rates, ctx: Context) -> Any:
        return self.make(rates)
