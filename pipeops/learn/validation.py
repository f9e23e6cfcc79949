"""What validates while it trains: how a search watches it, stops it, and has it trained to the end, whatever it is.

Learners are asked; a learner made of others (a graph, a node) passes the question on to its parts. What trains in rounds
(epochs, trees) answers. Neighbours: measures below; the learner beside it; `tuning` asks, networks and boosting answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from pipeops.learn.measures.measure import Measure

OnRound = Callable[[int, float], object]
"""Called after each round that was validated, with its number from 1 and the score of the watched measure."""


class Validates:
    """Base of what may validate while it trains. What these methods answer here is said by what does not.

    `state` is what training left: of a learner its model, of a node its state.
    """

    __slots__ = ()

    @property
    def watched(self) -> Measure | None:
        """The validation measure that says which round is the best one; None where there is none."""
        return None

    @property
    def internal_params(self) -> tuple[str, ...]:
        """The hyperparameters, by address, that training itself finds the best value of: the number of rounds."""
        return ()

    def watching(self, on_round: OnRound) -> Self:
        """A copy that tells each validated round of its next training; what `on_round` raises stops that."""
        return self

    def with_validation(self) -> Self:
        """A copy that validates on the data that its training is handed, if it can and is not told otherwise."""
        return self

    def unvalidated(self) -> Self:
        """A copy that trains all its rounds and looks at no validation data."""
        return self

    def internal_tuned(self, state: Any) -> Mapping[str, int]:
        """The best values of `internal_params`, as far as training found some."""
        return {}

    def internal_scores(self, state: Any) -> Mapping[str, float]:
        """The validation scores of what was kept, by measure."""
        return {}

    def internal_history(self, state: Any) -> Sequence[float | None]:
        """The score of the watched measure after each round; None after one that was not validated."""
        return ()


class Passes(Validates):
    """Base of what holds others that may validate, by name, and passes every question on to them."""

    __slots__ = ()

    def _validating(self) -> Mapping[str, Validates]:
        """Those that may validate, by the name that goes before the addresses of their hyperparameters."""
        raise NotImplementedError

    def _exchanged(self, others: Mapping[str, Any]) -> Self:
        """An untrained copy with these in the place of those."""
        raise NotImplementedError

    def _state_of(self, state: Any, name: str) -> Any:
        """What training left with one of them."""
        raise NotImplementedError

    @property
    def watched(self) -> Measure | None:
        """That of the last one that watches something."""
        found = [one.watched for one in self._validating().values()]
        return next((measure for measure in reversed(found) if measure is not None), None)

    @property
    def internal_params(self) -> tuple[str, ...]:
        """Those of all."""
        return tuple(_address(name, own) for name, one in self._validating().items() for own in one.internal_params)

    def watching(self, on_round: OnRound) -> Self:
        """A copy in which the last one that watches something tells."""
        names = [name for name, one in self._validating().items() if one.watched is not None]
        return self._exchanged({name: self._validating()[name].watching(on_round) for name in names[-1:]})

    def unvalidated(self) -> Self:
        """A copy in which none looks at validation data."""
        return self._exchanged({name: one.unvalidated() for name, one in self._validating().items()})

    def internal_tuned(self, state: Any) -> Mapping[str, int]:
        """What all of them found."""
        each = {name: one.internal_tuned(own) for name, one, own in self._with_states(state)}
        return {_address(name, own): value for name, found in each.items() for own, value in found.items()}

    def internal_scores(self, state: Any) -> Mapping[str, float]:
        """Those of the last one that has some."""
        each = [one.internal_scores(own) for _, one, own in self._with_states(state)]
        return next((found for found in reversed(each) if found), {})

    def internal_history(self, state: Any) -> Sequence[float | None]:
        """That of the last one that has one."""
        each = [one.internal_history(own) for _, one, own in self._with_states(state)]
        return next((found for found in reversed(each) if found), ())

    def _with_states(self, state: Any) -> list[tuple[str, Any, Any]]:
        """Name, holder and state of those that were trained; ways not taken have no state, elements several."""
        each = [(name, one, self._state_of(state, name)) for name, one in self._validating().items()]
        return [(name, one, own) for name, one, own in each if own is not None and not isinstance(own, list)]


def _address(name: str, own: str) -> str:
    return f"{name}.{own}" if name else own


def predefined(learner: Any) -> Any:
    """A copy of what has a field `validate` that validates on what training is handed; itself where it has data of its own."""
    if learner.validate is not None:
        return learner
    new = learner.clone()
    new.validate = "predefined"
    return new
