"""Hyperparameters: attrs fields that know their kind, range and default, and `Params`, the live view over nested ones.

A class gets a hyperparameter by a field, `p: float = real(0, 1, default=0.5)`; it is validated when an instance is made.
`Parameterized` is whatever has some, its own ones and those of its parts; every address is a dotted path through parts,
and `params` is the view over it, on nodes, losses, graphs and learners alike. `Configurable` is one that never changes:
`with_param(address, value)` answers a changed copy. Neighbours: errors below; registry, graph, ops and net above.
"""

import enum
import functools
import inspect
import math
import numbers
import operator
from collections.abc import Callable, ItemsView, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Literal, Self, final

import attrs

from pipeops.display import Block, Shown, params_block
from pipeops.errors import ConfigError, UnknownParameterError, suggest
from pipeops.guesses import Guessing, argument_here
from pipeops.text import source


class Unset(enum.Enum):
    """The type of `UNSET`, the value of a required hyperparameter that has not been set yet."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> Literal[False]:
        return False


UNSET = Unset.UNSET


class Token:
    """Base of values that stand for a choice still to be made (a tuning range); every hyperparameter accepts one that fits."""

    def problem(self, param: "Param") -> str | None:
        """Why it cannot stand for a value of this hyperparameter, or None."""


@attrs.frozen(eq=False)
class Param:
    """What one hyperparameter may be.

    kind: "integer", "real", "flag", "choice" or "anything". low, high: inclusive bounds. options: of a choice.
    default: `UNSET` for a required one; when it is None, or with `none`, None is allowed.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    options: tuple[Any, ...] = ()
    default: Any = UNSET
    none: bool = False

    @property
    def range(self) -> str:
        """`[0, 1]`, `[1, Inf)`, `"mean" | "sum"`, or empty."""
        if self.kind == "choice":
            return " | ".join(map(repr, self.options))
        if self.kind == "flag":
            return "True | False"
        if self.low is None and self.high is None:
            return ""
        low = "(-Inf" if self.low is None else f"[{self.low:g}"
        high = "Inf)" if self.high is None else f"{self.high:g}]"
        return f"{low}, {high}"

    def problem(self, value: Any) -> str | None:
        """What is wrong with the value, or None."""
        if isinstance(value, Token):
            return value.problem(self)
        if value is UNSET or (value is None and (self.none or self.default is None)):
            return None
        return _PROBLEMS[self.kind](self, value)


def _number(param: Param, value: Any) -> str | None:
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or type(value).__name__ == "bool":
        return "must be a number"
    if math.isnan(value):
        return "must not be NaN"
    if (param.low is not None and float(value) < param.low) or (param.high is not None and float(value) > param.high):
        return f"must be in {param.range}"
    return None


def _integer(param: Param, value: Any) -> str | None:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        return "must be an integer"
    return _number(param, value)


def _flag(param: Param, value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be True or False"


def _choice(param: Param, value: Any) -> str | None:
    if any(value is o or (type(value) is type(o) and value == o) for o in param.options):
        return None
    near = suggest(value, [o for o in param.options if isinstance(o, str)]) if isinstance(value, str) else ""
    return f"must be one of {param.range}" + (near if near.startswith(" Did") else "")


_PROBLEMS: dict[str, Callable[[Param, Any], str | None]] = {
    "integer": _integer,
    "real": _number,
    "flag": _flag,
    "choice": _choice,
    "anything": lambda param, value: None,
}


def who(owner: object) -> str:
    """How an error names the owner of a hyperparameter: its id, else its key, else its class."""
    for name in ("id", "key"):
        value = getattr(owner, name, None)
        if isinstance(value, str) and value:
            return value
    return type(owner).__name__


def _check(owner: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    problem = attribute.metadata["param"].problem(value)
    if problem is not None:
        raise ConfigError(f"{who(owner)}: '{attribute.name}' {problem}, got {source(value)}.")


def _plain_int(value: Any) -> Any:
    """numpy integers become Python's, so that they print, save and compare as such."""
    return operator.index(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else value


def _field(param: Param, **options: Any) -> Any:
    return attrs.field(default=param.default, validator=_check, metadata={"param": param}, kw_only=True, **options)


def integer(low: int | None = None, high: int | None = None, *, default: Any = UNSET) -> Any:
    """A whole number in [low, high]. `default=None` allows None; without a default it must be set before training."""
    return _field(Param("integer", low, high, default=default), converter=_plain_int)


def real(low: float | None = None, high: float | None = None, *, default: Any = UNSET, none: bool = False) -> Any:
    """A number in [low, high]. `default=None` or `none` allows None; without a default it must be set before training."""
    return _field(Param("real", low, high, default=default, none=none))


def flag(default: Any = UNSET) -> Any:
    """True or False."""
    return _field(Param("flag", default=default))


def choice(*options: Any, default: Any = UNSET, reads: Mapping[str, Any] | None = None) -> Any:
    """One of the options; `reads` has other words for some of them, which are taken for these."""
    param = Param("choice", options=options, default=default)
    if reads is None:
        return _field(param)
    return _field(param, converter=lambda value: reads.get(value, value) if isinstance(value, str) else value)


def anything(default: Any = UNSET) -> Any:
    """Any value; the owner checks what it needs."""
    return _field(Param("anything", default=default))


def hyperparameters(cls: type) -> dict[str, Param]:
    """The hyperparameters that a class declares, in order, by name; one that is no attrs class has none."""
    return {a.name: a.metadata["param"] for a in attrs.fields(cls) if "param" in a.metadata} if attrs.has(cls) else {}


@attrs.frozen(eq=False)
class Setting:
    """A hyperparameter and its present value."""

    param: Param
    value: Any


class Parameterized:
    """Whatever has hyperparameters: some of its own, and those of its parts. `params` is the view over all of them.

    An address is a dotted path: the name of a part, and the address within it; a part named "" stands beside the own ones.
    """

    def own_params(self) -> Mapping[str, Setting]:
        """Its own hyperparameters by name."""
        return {}

    def parts(self) -> "Mapping[str, Parameterized]":
        """What it holds that has hyperparameters of its own, by name."""
        return {}


def settings_of(thing: Parameterized) -> dict[str, Setting]:
    """Every hyperparameter of a thing and its parts, by address."""
    found = dict(thing.own_params())
    for name, part in thing.parts().items():
        inner = settings_of(part)
        found |= {f"{name}.{address}": setting for address, setting in inner.items()} if name else inner
    return found


def setting_of(thing: Parameterized, address: str) -> Setting | None:
    """One hyperparameter by address, in one descent; None where there is none."""
    own = thing.own_params().get(address)
    if own is not None:
        return own
    return next((found for _, part, rest in _places(thing, address) if (found := setting_of(part, rest))), None)


def _places(thing: Parameterized, address: str) -> Iterator[tuple[str, Parameterized, str]]:
    """The parts that an address may lead into: name, part, and the rest of the address."""
    parts = thing.parts()
    name, _, rest = address.partition(".")
    if rest and name in parts:
        yield name, parts[name], rest
    elif "" in parts:
        yield "", parts[""], address


class Configurable(Parameterized, Guessing):
    """A frozen attrs class whose hyperparameters are its fields: `params` reads them, `with_param` makes a changed copy.

    A class with parts says so in `parts` and takes a changed one in `with_part`. What `__attrs_post_init__` checks waits until
    no hyperparameter is still to be tuned.
    """

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        check = vars(cls).get("__attrs_post_init__")
        if check is not None:
            cls.__attrs_post_init__ = _when_chosen(check)  # type: ignore[attr-defined]

    def own_params(self) -> Mapping[str, Setting]:
        """The fields that are hyperparameters."""
        return {name: Setting(param, getattr(self, name)) for name, param in hyperparameters(type(self)).items()}

    @final
    @property
    def params(self) -> "Params":
        """Every hyperparameter by name (or dotted address, for one that belongs to a part), to read."""
        return Params(self, who(self))

    @final
    def with_param(self, address: str, value: Any) -> Self:
        """A copy with one hyperparameter changed; unknown addresses are refused with a near one."""
        if address not in self.own_params():
            for name, part, rest in _places(self, address):
                if name or setting_of(part, rest):
                    return self.with_part(name, part.with_param(rest, value))  # type: ignore[attr-defined]
        return self.with_own(address, value)

    def with_own(self, name: str, value: Any) -> Self:
        """A copy with one hyperparameter of its own changed."""
        if name not in self.own_params():
            raise UnknownParameterError(f"{who(self)}: no hyperparameter '{name}'.{argument_here(name, settings_of(self))}")
        return attrs.evolve(self, **{name: value})  # pyright: ignore[reportArgumentType]

    def with_part(self, name: str, part: Any) -> Self:
        """A copy with one of its parts exchanged."""
        raise NotImplementedError(f"{type(self).__name__} names parts and does not say how one is exchanged (with_part).")

    def changed(self) -> dict[str, Any]:
        """The constructor arguments that differ from their defaults, for `repr` and saving."""
        own = {n: (getattr(self, n), p.default) for n, p in hyperparameters(type(self)).items()}
        return {n: v for n, (v, default) in own.items() if v is not default and not same(v, default)}


def _when_chosen(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """The same check, left out where a hyperparameter is still to be tuned."""

    @functools.wraps(check)
    def checked(self: Any) -> None:
        if not any(isinstance(setting.value, Token) for setting in self.own_params().values()):
            check(self)

    return checked


def same(a: Any, b: Any) -> bool:
    """Whether two plain values surely are the same; others (lists, tensors, functions) may have changed inside."""
    plain = a is None or isinstance(a, str | int | float | bool | tuple) or attrs.has(type(a))
    return plain and type(a) is type(b) and bool(a == b)


def check_names(owner: str, holder: Callable[..., Any], given: Mapping[str, Any], args: Sequence[Any] = ()) -> None:
    """Refuse keyword arguments that a class or function does not take, naming near ones, and arguments without their names."""
    parameters = inspect.signature(holder).parameters if given or args else {}
    if args and all(p.kind is p.KEYWORD_ONLY for p in parameters.values()):
        names = sorted((n for n in parameters if n != "id"), key=lambda n: parameters[n].default is not UNSET)
        required = bool(names) and parameters[names[0]].default is UNSET
        example = f", as in {names[0]}={source(args[0]) if required else '...'}" if names else ""
        raise UnknownParameterError(f"{owner}: hyperparameters go by name{example}.")
    rest = next((n for n, p in parameters.items() if p.kind is p.VAR_KEYWORD), None)
    if rest == "settings" and isinstance(holder, type):  # all other hyperparameters, as fields
        parameters = {**{n: p for n, p in parameters.items() if n != rest}, **hyperparameters(holder)}
    elif rest is not None:
        return
    for name in given:
        if name in getattr(holder, "decided", {}):
            raise UnknownParameterError(f"{owner}: '{name}' {holder.decided[name]}; leave it out.")  # type: ignore[attr-defined]
        if name not in parameters:
            if isinstance(vars(holder).get(name), type(attrs.field())):
                raise UnknownParameterError(
                    f"{owner}: '{name}' is a field of a class that is not decorated; put @operator above it."
                )
            raise UnknownParameterError(f"{owner}: no hyperparameter '{name}'.{argument_here(name, parameters)}")


class Params(MutableMapping[str, Any], Shown, Guessing):
    """A live, printable view over the hyperparameters of a graph, a learner, a node or a part of one, by dotted address.

    Reading gives the present value; assigning validates and changes it, where the thing may change. It stores nothing.
    """

    def __init__(self, thing: Parameterized, owner: str, write: Callable[[str, Any], object] | None = None):
        self._thing, self._owner, self._write = thing, owner, write

    def __getitem__(self, address: str) -> Any:
        return self.setting(address).value

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and setting_of(self._thing, address) is not None

    def __setitem__(self, address: str, value: Any) -> None:
        if self._write is None:
            raise ConfigError(
                f"{self._owner}: never changes; with_param({source(address)}, ...) answers a changed copy, and the params of the "
                "graph or learner that holds it can be set."
            )
        self._write(address, value)

    def setting(self, address: str) -> Setting:
        """Value, kind and range of one hyperparameter."""
        found = setting_of(self._thing, address)
        if found is None:
            raise UnknownParameterError(
                f"{self._owner}: no hyperparameter '{address}'.{argument_here(str(address), settings_of(self._thing))}"
            )
        return found

    def settings(self) -> dict[str, Setting]:
        """Value, kind and range of every hyperparameter, by address."""
        return settings_of(self._thing)

    def refuse_tokens(self) -> None:
        """Raise `ConfigError` when a hyperparameter is still to be tuned."""
        for address, setting in self.settings().items():
            if isinstance(setting.value, Token):
                raise ConfigError(
                    f"{self._owner}: '{address}' is still to be tuned ({setting.value!r}): use auto_tuner(...), or set a value."
                )

    def __delitem__(self, address: str) -> None:
        raise ConfigError(f"{self._owner}: a hyperparameter cannot be removed; set '{address}' to another value.")

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings())

    def items(self) -> ItemsView[str, Any]:
        """All addresses and values, read at once."""
        return {address: setting.value for address, setting in self.settings().items()}.items()

    def __len__(self) -> int:
        return len(self.settings())

    def __repr__(self) -> str:
        return attrs.evolve(params_block(self), title="").text()

    def _blocks(self) -> list[Block]:
        return [attrs.evolve(params_block(self), title=f"Hyperparameters of {self._owner}", folded=False)]


def refuse_foreign(cls: Any, base: type, decorator: str) -> None:
    """Refuse what a class decorator cannot complete: anything but a class below `base`."""
    if not (isinstance(cls, type) and issubclass(cls, base)):
        name = getattr(cls, "__name__", repr(cls))
        raise ConfigError(
            f"@{decorator}: {name} is no subclass of {base.__name__}; write `class My{base.__name__}({base.__name__})` under it, "
            f"or use {name} as it is."
        )
