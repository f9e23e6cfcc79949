"""Whether a function of one's own is arithmetic on what it is given, so that nothing shows when and in which order it is called.

Only what is surely so counts: a plain function that stores nothing, makes no functions and names numbers, mathematics and a few
builtins. Neighbours: schedules ask it of functions of the epoch, which may then be called for several runs by turns.
"""

import dis
import inspect
import math
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

BUILTINS = ("abs", "bool", "divmod", "float", "int", "max", "min", "pow", "round")
HIDING = ("STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR", "DELETE", "IMPORT", "MAKE_FUNCTION", "YIELD")
"""What begins the names of instructions that arithmetic does without."""


def is_arithmetic(function: Callable[..., Any]) -> bool:
    """Whether a function answers what follows from its arguments alone, and changes nothing.

    >>> is_arithmetic(lambda epoch: 0.9**epoch), is_arithmetic(lambda epoch: print(epoch))
    (True, False)
    """
    if isinstance(function, BuiltinFunctionType):
        return function.__module__ == "math" or (function.__name__ in BUILTINS and function.__module__ == "builtins")
    if type(function) is not FunctionType:
        return False
    named = inspect.getclosurevars(function)
    values = [*named.nonlocals.values(), *named.globals.values(), *(function.__defaults__ or ())]
    values += (function.__kwdefaults__ or {}).values()
    plain = all(map(_is_constant, values)) and named.builtins.keys() <= set(BUILTINS) and "random" not in named.unbound
    return plain and not any(made.opname.startswith(HIDING) for made in dis.get_instructions(function))


def _is_constant(value: Any) -> bool:
    return value is math or value is np or value is None or isinstance(value, bool | int | float | str)
