"""Packages that only some parts need, imported when those parts are first used. Ground floor: errors below."""

from importlib import import_module
from typing import Any

from pipeops.errors import MissingPackageError


def extra(module: str, name: str, who: str) -> Any:
    """A module of an optional package; where it is not installed, the error names the extra that brings it.

    >>> extra("json", "plot", "plot").loads("1")
    1
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingPackageError(f'{who}: {package} is missing ({error}); install it: pip install "pipeops[{name}]".') from error
