"""The errors a user sees: each says who, what was wrong, what came and what to do.

Every kind is also the built-in that a Python user would catch (`ValueError`, `KeyError`, `TypeError`, `RuntimeError`).
This is the ground floor: every other file may import it, it imports nothing of the package.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class PipeOpsError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigError(PipeOpsError, ValueError):
    """A hyperparameter or an argument that is out of range, unset or contradicts another one."""


class UnknownKeyError(PipeOpsError, KeyError):
    """A key, hyperparameter, column or id that does not exist; the message names near ones."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownParameterError(UnknownKeyError, TypeError):
    """A hyperparameter or argument name that does not exist; the message names near ones."""


class UnknownAttributeError(UnknownKeyError, AttributeError):
    """An attribute that a learner or a graph does not have; the message names near ones."""


class CompositionError(PipeOpsError, TypeError):
    """Nodes that cannot be joined: channel types, numbers of channels, cycles, ids that are taken."""


class DataError(PipeOpsError, ValueError):
    """Data that a task, an operator or a network cannot take."""


class NotTrainedError(PipeOpsError, RuntimeError):
    """Something was asked to predict before it was trained."""


class TrainingError(PipeOpsError, RuntimeError):
    """Training could not go on, for example because the loss became NaN."""


class TimeLimitError(TrainingError, TimeoutError):
    """A learner took longer than its `timeout` allows."""


class FormatError(PipeOpsError, ValueError):
    """A file that is not what `save` wrote, or that needs a class which is not registered."""


class WriteError(PipeOpsError, OSError):
    """A file that could not be written: the disk is full, a limit of size, no permission. `errno` is the system's."""

    def __init__(self, message: str, errno: int | None = None):
        super().__init__(message)
        self.errno = errno


class MissingPackageError(PipeOpsError, ImportError):
    """An optional package that a part of the library needs and that is not installed."""


def refused(error: BaseException) -> bool:
    """Whether something was refused, in contrast to having been begun and failed; what was there before then stays."""
    return isinstance(error, PipeOpsError) and not isinstance(error, TrainingError)


def suggest(name: str, known: Iterable[str], what: str = "known") -> str:
    """`" Did you mean 'scale'?"`, or the list of `known` ones when it is short, or nothing.

    Of dotted names (`classif.acc`, `torch_optimizer.lr`) the last part alone is compared too.

    >>> suggest("lr", ["linear.bias", "torch_optimizer.lr"])
    " Did you mean 'torch_optimizer.lr'?"
    """
    options = [str(k) for k in known]
    own = [option for option in options if "." in option and option.rpartition(".")[2] == name][:3]
    near = own or get_close_matches(str(name), options, n=3, cutoff=0.6) or _near_last_parts(str(name), options)
    if near:
        return " Did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    if 0 < len(options) <= 12:
        return f" {what.capitalize()}: {listing(options)}."
    return ""


def _near_last_parts(name: str, options: Iterable[str]) -> list[str]:
    """Dotted names whose last part is near the name, or begins like it."""
    dotted = [(option, option.rpartition(".")[2]) for option in options if "." in option]
    lasts = {last for _, last in dotted}
    near = set(get_close_matches(name, lasts, n=3, cutoff=0.6))
    near = near or {last for last in lasts if min(len(last), len(name)) > 2 and (last.startswith(name) or name.startswith(last))}
    return [option for option, last in dotted if last in near][:3]


def listing(names: Iterable[object], limit: int = 8) -> str:
    """Names in quotes, comma separated, cut after `limit` with the number of the rest."""
    items = [f"'{n}'" if isinstance(n, str) else repr(n) for n in names]
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")
