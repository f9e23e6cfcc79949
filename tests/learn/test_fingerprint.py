"""What a stored job is found by: everything that decides its outcome, whatever file or cell it stands in."""

import ast
import sys
import threading
import types

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeops import as_task_classif, as_task_regr
from pipeops.learn.benchmark.fingerprint import Fingerprints
from pipeops.learn.benchmark.parts import UnhashableError
from tests.scripts import run_script

HELPERS = """
RATE = 0.5
def scaled(x):
    return x * RATE
"""

OWN = '''
import enum, functools, math
import attrs, numpy as np, torch
from sklearn.base import BaseEstimator, ClassifierMixin
from pipeops import as_learner, as_task_classif, lrn, measure, msr, nn, po
from pipeops.learn.learners.featureless import ClassifFeatureless
from pipeops.net import Callback, last, layer
from pipeops.ops import Preprocess, operator
from pipeops.params import real
import own_helpers
import own_helpers as elsewhere

ARRAY, TENSOR = np.array([1.0, 2.0]), torch.tensor([1.0, 2.0])
SET, MAP, LIST = {"a", "b"}, {"k": 1}, [1, 2]
NUMBER, TEXT = 1, "text"
PARTIAL = functools.partial(math.pow, 2.0)
class Mode(enum.Enum):
    FAST = 1
    SLOW = 2
MODE = Mode.FAST
class Holder:
    def __init__(self, value): self.value = value
HOLDER = Holder(3)
deep = lambda x: x + 1
def called(x): return deep(x) + NUMBER
def decorated(f):
    @functools.wraps(f)
    def inside(*args): return f(*args) * 1.0
    return inside
@decorated
def wrapped(x): return x + 4
@functools.lru_cache
def cached(x): return x + 5
def factory(k):
    def made(input, target): return ((input - target) ** 2).mean() * k
    return made

class Base(Callback):
    level = 0.25
    limits = [1, 2]
    def on_begin(self, ctx): self.count = 6
    @property
    def shown(self): return 7
    @staticmethod
    def fixed(x): return x + 8
    @classmethod
    def of(cls, x): return x + 9
    @functools.cached_property
    def lazy(self): return 10
class Own(Base):
    def on_epoch_end(self, ctx):
        a = ARRAY.sum() + TENSOR.sum() + len(SET) + MAP["k"] + LIST[0] + PARTIAL(2.0) + HOLDER.value
        b = called(1) + wrapped(1) + cached(1) + own_helpers.scaled(1) + (lambda: len(TEXT))() + (MODE is Mode.FAST)
        def within(x):
            from own_helpers import scaled
            return scaled(x) + self.level
        return a + b + within(11) if not "on" in {"on", "off"} else self.shown
def spread(frame, k=12): return ["a", "b"]
class Module(torch.nn.Module):
    def __init__(self, in_features: int):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(in_features))
    def forward(self, x): return x * self.w * 13
Scaled = layer("own_scaled", Module, in_features=last)
@po.add("own_add")
@operator
class Add(Preprocess):
    """Adds."""
    amount: float = real(default=14.0)
    def fit(self, frame, target): return 0
    def apply(self, frame, state): return frame
@msr.add("own.score")
def own_score():
    return measure("own.score", lambda truth, response: 15.0, minimize=True)
class Estimator(ClassifierMixin, BaseEstimator):
    def __init__(self, depth=16): self.depth = depth
    def fit(self, X, y): self.classes_ = np.unique(y); return self
    def predict(self, X): return np.repeat(self.classes_[0], len(X))
class Learns(ClassifFeatureless):
    def _train(self, task, valid): return super()._train(task, valid) if 17 else None

def network(loss, layers, **end):
    graph = po("torch_ingress_num") >> layers >> nn("head") >> po("torch_loss", loss=loss)
    graph = graph >> po("torch_optimizer", optimizer="sgd", lr=18.0) >> po("torch_callbacks", callbacks=[Own()])
    return as_learner(graph >> po("torch_model_classif", epochs=19, batch_size=4, measures_valid=["own.score"], **end))
learners = {
    "network": network(factory(20), nn("own_scaled")),
    "operator": as_learner(po("own_add") >> po("select", selector=spread) >> lrn("classif.lda")),
    "estimator": as_learner(Estimator()),
    "learner": Learns(id="learns"),
    "validated": as_learner(po("torch_ingress_num") >> nn("head") >> po("torch_loss") >> po("torch_optimizer")
        >> po("torch_model_classif", epochs=1, batch_size=4),
        validate=as_task_classif({"a": [1.0, 2.0, 21.0], "y": ["p", "q", "p"]}, target="y")),
}
'''  # fmt: skip

CHANGES = {
    "a number in a global": ("NUMBER, TEXT = 1", "NUMBER, TEXT = 2"),
    "a global's type": ("NUMBER, TEXT = 1", "NUMBER, TEXT = 1.0"),
    "a global of a lambda": ('"text"', '"texts"'),
    "an array": ("np.array([1.0, 2.0])", "np.array([1.0, 2.5])"),
    "an array's type": ("np.array([1.0, 2.0])", 'np.array([1.0, 2.0], "float32")'),
    "a tensor": ("torch.tensor([1.0, 2.0])", "torch.tensor([2.0, 1.0])"),
    "a set": ('{"a", "b"}, ', '{"a", "c"}, '),
    "a dictionary": ('{"k": 1}', '{"k": 2}'),
    "a list": ("[1, 2]\nNUMBER", "[2, 1]\nNUMBER"),
    "a partial": ("math.pow, 2.0", "math.pow, 3.0"),
    "a partial's function": ("math.pow, 2.0", "math.fmod, 2.0"),
    "an object": ("Holder(3)", "Holder(4)"),
    "an object's class": ("self.value = value", "self.value = -value"),
    "an enumeration": ("FAST = 1", "FAST = 3"),
    "a member of it": ("MODE = Mode.FAST", "MODE = Mode.SLOW"),
    "a function that a function calls": ("lambda x: x + 1", "lambda x: x - 1"),
    "a function called": ("deep(x) + NUMBER", "deep(x) - NUMBER"),
    "the function under a decorator": ("return x + 4", "return x - 4"),
    "a decorator": ("f(*args) * 1.0", "f(*args) * 2.0"),
    "the function under a cache": ("return x + 5", "return x - 5"),
    "a method of a base class": ("self.count = 6", "self.count = 66"),
    "a base class": ("class Own(Base)", "class Own(Callback)"),
    "a property": ("return 7", "return 77"),
    "a static method": ("return x + 8", "return x - 8"),
    "a class method": ("return x + 9", "return x - 9"),
    "a cached property": ("return 10", "return 100"),
    "an attribute of a class": ("level = 0.25", "level = 0.5"),
    "a list of a class": ("limits = [1, 2]", "limits = [1, 3]"),
    "a nested function": ("within(11)", "within(1)"),
    "a constant set in code": ('{"on", "off"}', '{"on", "of"}'),
    "an operator in code": ("if not", "if"),
    "a default argument": ("k=12", "k=13"),
    "a selector function": ('return ["a", "b"]', 'return ["a"]'),
    "a module's forward": ("self.w * 13", "self.w * 14"),
    "a module's initial weights": ("torch.ones", "torch.zeros"),
    "an operator's default": ("default=14.0", "default=15.0"),
    "an operator's fit": ("target): return 0", "target): return 1"),
    "an operator's apply": ("return frame", "return frame.head()"),
    "a measure that is named by its key": ("15.0, min", "16.0, min"),
    "an estimator's default": ("depth=16", "depth=17"),
    "an estimator's method": ("classes_[0]", "classes_[1]"),
    "a learner's method": ("if 17 else", "if 0 else"),
    "a learning rate": ("lr=18.0", "lr=17.0"),
    "the epochs": ("epochs=19", "epochs=18"),
    "a closure": ("factory(20)", "factory(21)"),
    "the code of a closure": ("** 2).mean()", "** 4).mean()"),
    "a validation task": ("2.0, 21.0]", "2.0, 22.0]"),
    "a global of another module": ("RATE = 0.5", "RATE = 0.6"),
    "a function of another module": ("x * RATE", "x / RATE"),
}


def load(own, helpers):
    for name, source in (("own_helpers", helpers), ("own_module", own)):
        module = sys.modules[name] = types.ModuleType(name)
        exec(compile(source, f"<{name}>", "exec"), vars(module))
    return {key: Fingerprints().of(learner) for key, learner in sys.modules["own_module"].learners.items()}


@pytest.fixture
def own():
    from pipeops.registry import Registry

    before = {name: {key for key, _ in registry.foreign()} for name, registry in Registry.all.items()}
    yield load
    for name, registry in Registry.all.items():
        for key in {key for key, _ in registry.foreign()} - before[name]:
            del registry._holders[key]
    for name in ("own_helpers", "own_module"):
        sys.modules.pop(name, None)


def test_what_decides_counts(own):
    first = own(OWN, HELPERS)
    assert own(f"{OWN}\n# a comment\nunused = 1\n", HELPERS) == first
    for name, (old, new) in CHANGES.items():
        assert (OWN + HELPERS).count(old) == 1, f"{name}: {old} stands {(OWN + HELPERS).count(old)} times"
        assert own(OWN.replace(old, new), HELPERS.replace(old, new)) != first, name
    assert own(OWN, HELPERS) == first


def test_another_process_finds_the_same(own, tmp_path):
    """With other hashes of texts."""
    (tmp_path / "own_helpers.py").write_text(HELPERS)
    (tmp_path / "own_module.py").write_text(OWN)
    (tmp_path / "script.py").write_text(
        "from own_module import learners\n"
        "from pipeops.learn.benchmark.fingerprint import Fingerprints\n"
        "print(hash('a'), {k: Fingerprints().of(v).hex() for k, v in learners.items()})"
    )
    done = run_script(tmp_path / "script.py")
    assert done.returncode == 0, done.stderr
    hashed, there = done.stdout.split(maxsplit=1)
    assert int(hashed) != hash("a")
    assert ast.literal_eval(there) == {k: v.hex() for k, v in own(OWN, HELPERS).items()}


def digest(value):
    return Fingerprints().of(value)


FRAME = {"a": [1.0, None, 3.0], "c": ["u", "v", "u"], "s": ["x", "x", "z"], "y": ["p", "q", "p"]}


def enum(frame, name, levels):
    return frame.with_columns(pl.col(name).cast(pl.Enum(levels)))


TASKS = {
    "as it is": lambda f: as_task_classif(f, target="y"),
    "another id": lambda f: as_task_classif(f, target="y", id="other"),
    "a value": lambda f: as_task_classif(f.with_columns(a=pl.Series([1.0, None, 3.5])), target="y"),
    "NaN for null": lambda f: as_task_classif(f.with_columns(pl.col("a").fill_null(float("nan"))), target="y"),
    "another type": lambda f: as_task_classif(f.with_columns(pl.col("a").cast(pl.Float32)), target="y"),
    "integers": lambda f: as_task_classif(f.with_columns(pl.col("a").cast(pl.Int64)), target="y"),
    "levels": lambda f: as_task_classif(enum(f, "c", ["u", "v"]), target="y"),
    "their order": lambda f: as_task_classif(enum(f, "c", ["v", "u"]), target="y"),
    "an unused level": lambda f: as_task_classif(enum(f, "c", ["u", "v", "w"]), target="y"),
    "the order of classes": lambda f: as_task_classif(enum(f, "y", ["q", "p"]), target="y"),
    "the positive class": lambda f: as_task_classif(f, target="y", positive="q"),
    "another library": lambda f: as_task_classif(f.to_pandas(), target="y"),
    "a role": lambda f: as_task_classif(f, target="y").with_roles(stratum="s"),
    "features": lambda f: as_task_classif(f, target="y").select(["c", "a", "s"]),
    "fewer features": lambda f: as_task_classif(f, target="y").select(["a", "c"]),
    "rows": lambda f: as_task_classif(f, target="y").filter([0, 1]),
    "their row ids": lambda f: as_task_classif(f, target="y").filter([2, 1]),
}


def test_data_counts():
    frame = pl.DataFrame(FRAME)
    digests = {name: digest(make(frame)) for name, make in TASKS.items()}
    assert len(set(digests.values())) == len(TASKS)
    assert {name: digest(make(pl.DataFrame(FRAME))) for name, make in TASKS.items()} == digests


def test_big_integers_and_levels_of_other_libraries_count():
    near = [as_task_regr({"x": [2**53 + k, None], "y": [0.0, 1.0]}, target="y") for k in (0, 1)]
    assert digest(near[0]) != digest(near[1])
    pandas = [
        as_task_regr(pd.DataFrame({"x": pd.Categorical(["a"], categories=levels), "y": [1.0]}), target="y")
        for levels in (["a", "b"], ["b", "a"], ["a"])
    ]
    assert len(set(map(digest, pandas))) == 3
    long = [as_task_regr(np.zeros((3, 1)) + k, np.arange(3.0)) for k in (0, 1)]
    assert digest(long[0]) != digest(long[1])


def test_circles_end_and_are_told_apart():
    def circle(value):
        made = [value]
        made.append(made)
        return made

    assert digest(circle(1)) == digest(circle(1)) != digest(circle(2))
    assert digest([[1], [1]]) == digest([one := [1], one])


def test_what_has_no_state_to_look_at_is_named():
    lock = threading.Lock()

    def loss(input, target):
        with lock:
            return ((input - target) ** 2).mean()

    with pytest.raises(UnhashableError, match=r"the variable 'lock' of .*loss, an object of _thread.lock whose state"):
        digest(loss)
    with pytest.raises(UnhashableError, match="the entry 'stream', an object of builtins.generator"):
        digest({"stream": (i for i in range(3))})


def test_an_object_counts_by_its_own_getstate():
    class Log:
        def __init__(self, lines, width):
            self.lines, self.width = lines, width

        def __getstate__(self):
            return {"width": self.width}

    assert digest(Log([1], 2)) == digest(Log([], 2)) != digest(Log([1], 3))


def test_what_pickle_notes_on_a_class_does_not_count():
    class Held:
        def __init__(self):
            self.value = 1

    first = Fingerprints().of(Held())
    assert "__slotnames__" in vars(Held)
    assert Fingerprints().of(Held()) == first
