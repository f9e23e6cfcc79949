"""Registries: from a key to the class, function or row that it names, loaded when first needed.

A shelf's modules register what they hold when they are imported; the generated table in `keys.py` says which module
holds which key, so that `po("scale")` imports one file and a near-miss suggestion imports nothing. Other packages add
theirs through the entry-point group `pipeops`: each entry names a module, imported when a key is first missed.
Neighbours: errors and params below; `shorthand` holds the instances.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from textwrap import wrap
from typing import Any, ClassVar

import attrs

from pipeops.display import Block, Shown
from pipeops.errors import CompositionError, UnknownKeyError, UnknownParameterError, suggest
from pipeops.guesses import argument_here, key_here
from pipeops.params import check_names

ENTRY_POINTS = "pipeops"
WIDTH = 100
_NUMBERED = re.compile(r"(.+)_(\d+)")


@attrs.frozen(eq=False)
class Row:
    """A registered thing that is built from `make()` when its key is first used.

    origin: module and name of what it wraps, which says whose it is. module: where the row stands.
    """

    make: Callable[[], Any]
    origin: tuple[str, str]
    module: str
    label: str = ""


def _origin(holder: Any) -> tuple[str, str]:
    origin = getattr(holder, "origin", None)
    if origin is not None:
        return origin
    return str(getattr(holder, "__module__", "")), str(getattr(holder, "__qualname__", repr(holder)))


class Registry(Shown):
    """A dictionary of constructors with near-miss suggestions.

    `registry(key, **arguments)` constructs, `registry[key]` is the class or function, `list(registry)` the keys,
    `registry.table()` a frame of them. `registry.add(key)` is a decorator.
    """

    all: ClassVar[dict[str, "Registry"]] = {}
    _plugins_loaded: ClassVar[bool] = False

    def __init__(self, name: str, what: str, modules: Mapping[str, str], numbered: bool = False, convert: str = ""):
        """`what` is one entry in words, `modules` where each key lives; `numbered` reads `relu_2` as an id.

        convert: "module:function" that makes an entry of what is no key, `po(PCA())`; empty where only keys are taken.
        """
        self.name, self.what, self.numbered, self.convert = name, what, numbered, convert
        self._modules, self._holders = modules, dict[str, Any]()
        Registry.all[name] = self

    def add(self, key: str, holder: Any = None, /) -> Any:
        """Register under a key: `registry.add("key", thing)`, or `@registry.add("key")` above a class or function.

        The same module and name may register again (a notebook cell run twice); another holder of the key is refused.
        """
        self._check_key(key)
        if holder is None:
            return lambda thing: self.add(key, thing)
        taken = self._other_holder(key, holder)
        if taken:
            raise CompositionError(f"{self.name}: the key '{key}' is held by {taken}; choose another key for {holder!r}.")
        self._refuse_foreign(key, holder)
        if isinstance(holder, type):
            holder.key, holder.shelf = key, self.name  # type: ignore[attr-defined]
        self._holders[key] = holder
        return holder

    def _refuse_foreign(self, key: str, holder: Any) -> None:
        """Refuse what cannot be built from a key: a ready object, or a class that knows nothing of this package."""
        if isinstance(holder, Row):
            return
        own = any(base.__module__.partition(".")[0] == "pipeops" for base in holder.__mro__) if isinstance(holder, type) else True
        if not own or not (isinstance(holder, type) or hasattr(holder, "__qualname__")):
            what = getattr(holder, "__qualname__", None) or f"{holder!r}"
            raise CompositionError(
                f"{self.name}: the key '{key}' takes a class of this package's kind, or a function that makes one, got {what}; "
                "hand it over as it is, or register a function that answers it."
            )

    def _other_holder(self, key: str, holder: Any) -> str:
        """Who holds the key already, a shelf that is not loaded yet included; empty when nobody else does."""
        present = self._holders.get(key)
        if present is not None:
            return "" if _origin(present) == _origin(holder) else ".".join(_origin(present))
        home, module = self._modules.get(key, ""), holder.module if isinstance(holder, Row) else _origin(holder)[0]
        return "" if module.startswith("pipeops.") else home

    def __call__(self, key: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.convert and not isinstance(key, str):
            module, _, function = self.convert.partition(":")
            return getattr(import_module(module), function)(key, *args, **kwargs)
        key, numbered_id = self._split(key)
        holder = self[key]
        if numbered_id is not None:
            kwargs.setdefault("id", numbered_id)
        check_names(f'{self.name}("{key}")', holder, kwargs, args)
        try:
            return holder(*args, **kwargs)
        except TypeError as error:
            self._refuse_unfilled(key, holder, args, kwargs, error)
            raise

    def _refuse_unfilled(self, key: str, holder: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> None:
        """Say which arguments are missing or unknown; of another's function what a shelf calls it with, too."""
        if "__attrs_init__() got an unexpected keyword argument" in str(error) and attrs.has(holder):
            name = str(error).split("'")[1]
            known = argument_here(name, [a.alias for a in attrs.fields(holder)])
            raise UnknownParameterError(f"{self.name}(\"{key}\"): no hyperparameter '{name}'.{known}") from error
        try:
            inspect.signature(holder).bind(*args, **kwargs)
        except TypeError as unfit:
            if isinstance(holder, type) or _origin(holder)[0].startswith("pipeops."):
                raise CompositionError(f'{self.name}("{key}"): {unfit}; give it by name.') from error
            raise CompositionError(
                f'{self.name}("{key}"): the function {holder.__qualname__} {unfit}; a function on this shelf makes a {self.what} '
                f'from what {self.name}("{key}", ...) gets. If it is one itself, hand it over as it is, or register a function '
                "that answers it."
            ) from error

    def __getitem__(self, key: str) -> Any:
        holder = self._find(key)
        if isinstance(holder, Row):
            holder = holder.make()
            if isinstance(holder, type):
                holder.key, holder.shelf = key, self.name  # type: ignore[attr-defined]
            self._holders[key] = holder
        return holder

    def __contains__(self, key: object) -> bool:
        return key in self._holders or key in self._modules

    def __iter__(self) -> Iterator[str]:
        self._load_plugins()
        return iter(sorted({*self._modules, *self._holders}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def keys(self) -> list[str]:
        """All keys, sorted."""
        return list(self)

    def __repr__(self) -> str:
        (block,) = self._blocks()
        return block.text()

    def _blocks(self) -> list[Block]:
        """How many there are, and their keys."""
        keys = list(self)
        head = f"<{self.name}: {len(keys)} {self.what}{'es' if self.what.endswith('s') else 's'}>"
        return [Block(head, notes=wrap(", ".join(keys), WIDTH, initial_indent="  ", subsequent_indent="  "))]

    def foreign(self) -> Iterator[tuple[str, Any]]:
        """Key and holder of what others than pipeops registered so far; loads nothing."""
        return ((key, holder) for key, holder in self._holders.items() if key not in self._modules)

    def table(self) -> Any:
        """A polars frame with a row for each key: key, label, and the module that it comes from."""
        import polars as pl

        rows = [{"key": key, "label": _label(self[key]), "module": _origin(self._find(key))[0]} for key in self]
        return pl.DataFrame(rows, schema={"key": pl.String, "label": pl.String, "module": pl.String})

    def _split(self, key: str) -> tuple[str, str | None]:
        """`("relu", "relu_2")` for `"relu_2"`; `(key, None)` for a key as it is."""
        self._check_key(key)
        match = _NUMBERED.fullmatch(key) if self.numbered and key not in self else None
        return (match[1], key) if match and self.knows(match[1]) else (key, None)

    def knows(self, key: str) -> bool:
        """Whether there is such a key, in other packages too."""
        if key not in self:
            self._load_plugins()
        return key in self

    def _check_key(self, key: object) -> None:
        if not isinstance(key, str):
            raise UnknownKeyError(
                f'{self.name}: a key is a string, as in {self.name}("{next(iter(self._modules), "key")}"), got {key!r}.'
            )

    def _find(self, key: str) -> Any:
        self._check_key(key)
        if key not in self._holders and key in self._modules:
            import_module(self._modules[key])
        if key not in self._holders:
            self._load_plugins()
        if key not in self._holders:
            near = key_here(self.name, key) or self._elsewhere(key) or suggest(key, self)
            raise UnknownKeyError(f"{self.name}: no {self.what} '{key}'.{near}")
        return self._holders[key]

    def _elsewhere(self, key: str) -> str:
        for other in Registry.all.values():
            for candidate in (key, key.removeprefix("nn_")):
                if other is not self and candidate in other:
                    return f' Did you mean {other.name}("{candidate}")?'
        return ""

    @classmethod
    def _load_plugins(cls) -> None:
        if not Registry._plugins_loaded:
            from importlib import metadata  # 20 ms, and most programs miss no key

            Registry._plugins_loaded = True
            for entry in metadata.entry_points(group=ENTRY_POINTS):
                try:
                    entry.load()
                except Exception as error:
                    warnings.warn(
                        f"pipeops: the plugin '{entry.name}' ({entry.value}) cannot be loaded: {error!r}.", stacklevel=2
                    )


def own_key(cls: type) -> str:
    """The key under which exactly this class is registered; empty for others, also for subclasses of one that is.

    >>> from pipeops import po
    >>> own_key(po["scale"]), own_key(type("Mine", (po["scale"],), {}))
    ('scale', '')
    """
    return str(vars(cls).get("key") or "")


def _label(holder: Any) -> str:
    text = getattr(holder, "label", None) or getattr(holder, "__doc__", None) or ""
    return str(text).strip().split("\n")[0]
