"""Hostile files: whatever somebody writes into a file, loading it runs nothing, takes no memory, and answers or refuses."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeops import as_learner, as_task_regr, load_learner, nn, po
from pipeops.errors import DataError, FormatError
from pipeops.keys import SAVED
from pipeops.saving.decoder import _DECODERS
from tests.hostile import altered, crafted, found, packed, places, unpacked
from tests.test_saved_before import SAVED as FILES
from tests.test_saved_before import task

CONTENT = [None, True, 3, -1, 1e308, "x", [], {}, [[1]], {"a": 1}, {"$": "tuple", "of": [1]}]


def refused(content: bytes, path: Path, words: str = "load: ") -> None:
    path.write_bytes(content)
    with pytest.raises(FormatError, match=words):
        load_learner(path)


@pytest.mark.parametrize("tag", sorted({*_DECODERS, *SAVED, "state", "magic"}))
@pytest.mark.parametrize("format", [1, 2])
def test_every_tag_with_wrong_content(tmp_path, tag, format):
    for content in CONTENT:
        refused(crafted({"$": tag, "of": content}, format=format), tmp_path / "f")
        more = {"$": tag, "of": content, "class": "os:system", "dtype": "O", "shape": [1]}
        refused(crafted([more], format=format), tmp_path / "f")
    refused(crafted({"$": tag}, format=format), tmp_path / "f")


def deep(n: int) -> Any:
    return '{"$":"tuple","of":[' * n + "1" + "]}" * n


ATTACKS = {
    "a function": {"$": "name", "of": "os:system"},
    "a builtin": {"$": "name", "of": "builtins:eval"},
    "a function of ours": {"$": "name", "of": "pipeops.saving.container:write"},
    "torch's loader": {"$": "name", "of": "torch.serialization:load"},
    "torch's loader as a class": {"$": "torch_class", "of": "torch.serialization:load"},
    "a module of torch by attribute": {"$": "torch_class", "of": "torch.nn:Module.load_state_dict"},
    "dtype is getattr": {"$": "dtype", "of": "load"},
    "dtype of a module": {"$": "dtype", "of": "os.system"},
    "partial of a name": {"$": "partial", "of": [{"$": "name", "of": "os:system"}, ["touch x"], {}]},
    "partial of a class": {"$": "partial", "of": [{"$": "torch_class", "of": "torch.optim.adam:Adam"}, [], {}]},
    "partial of a dtype": {"$": "partial", "of": [{"$": "dtype", "of": "float32"}, [], {}]},
    "an instance": {"$": "instance", "class": "sklearn.pipeline:Pipeline", "of": {"steps": []}},
    "an instance of ours": {"$": "instance", "class": "pipeops.learn.learner:Learner", "of": {"predict": 1}},
    "an estimator that reads files": {"$": "estimator", "of": {"class": "CountVectorizer", "values": {"input": "filename"}}},
    "a pipeline with a memory": {"$": "estimator", "of": {"class": "Pipeline", "values": {"steps": [], "memory": "/tmp/x"}}},
    "a pipeline to be fitted": {"$": "estimator", "of": {"class": "Pipeline", "values": {"steps": []}, "refit": [[1], [2]]}},
    "tags among attributes": {"$": "estimator", "of": {"class": "GaussianNB", "values": {"__sklearn_tags__": "x"}}},
    "a class among attributes": {"$": "estimator", "of": {"class": "GaussianNB", "values": {"__class__": 1}}},
    "a download": {"$": "item", "shelf": "tsk", "key": "sonar", "of": {}},
    "a measure by the shelf": {"$": "item", "shelf": "msr", "key": "classif.acc", "of": {}},
    "a learner by the shelf": {"$": "item", "shelf": "lrn", "key": "classif.lda", "of": {}},
    "a shelf of shelves": {"$": "item", "shelf": "__dict__", "key": "all", "of": {}},
    "another argument": {"$": "item", "shelf": "po", "key": "scale", "of": {"__class__": 1}},
    "an argument of another type": {"$": "item", "shelf": "po", "key": "scale", "of": {"center": "yes"}},
    "a loss of other arguments": {"$": "item", "shelf": "po", "key": "torch_loss", "of": {"loss": "mse", "reduction": "sum"}},
    "a class of an old file": {"$": "state", "class": "os:PathLike", "of": {}},
    "a missing class": {"$": "state", "class": "pipeops.nowhere:Thing", "of": {}},
    "no such array": {"$": "array", "of": "a999"},
    "a path as an array": {"$": "array", "of": "../../etc/passwd"},
    "labels that take gigabytes": {"$": "objects", "dtype": "<U9999999", "shape": [1000], "of": ["a"] * 1000},
    "an array of void": {"$": "objects", "dtype": "V1000000000", "shape": [1], "of": ["a"]},
    "an array of a structure": {"$": "objects", "dtype": "i4,(1000000,1000)f8", "shape": [1], "of": [0]},
    "a shape that is too large": {"$": "objects", "dtype": "O", "shape": [2**40, 2**40], "of": []},
    "a shape that is negative": {"$": "objects", "dtype": "O", "shape": [-1, -1], "of": ["a"]},
    "a pattern that is too long": {"$": "pattern", "of": ["a" * 20_000, 0]},
    "a pattern with other flags": {"$": "pattern", "of": ["a", 128]},
    "a pattern that is none": {"$": "pattern", "of": ["(" * 500, 0]},
    "a date that is none": {"$": "date", "of": "2020-99-99"},
    "a time that is too long": {"$": "timedelta", "of": [10**12, 0, 0]},
    "a number that is text": {"$": "float", "of": "1" * 10_000},
    "a set of lists": {"$": "set", "of": [[1]]},
    "a dictionary by lists": {"$": "dict", "of": [[[1], 2]]},
    "a huge integer": 10**400,
    "an integer just too large": 2**256 + 1,
    "a long text": "x" * (2**20 + 1),
    "two names too many": {"$": "tuple", "of": [], "extra": 1},
    "a tag that is no text": {"$": {"$": "tuple", "of": []}, "of": []},
    "a selector of another rule": {"$": "Selector", "of": {"rule": "__import__"}},
    "a callback at another stage": {"$": "FunctionCallback", "of": {"id": "x", "stages": {"__init__": 1}}},
    "a loss that is no loss": {"$": "torch_loss", "of": {"class": {"$": "unset"}, "arguments": {}}},
    "a tensor of another type": {"$": "tensor", "of": {"dtype": "float64", "values": [1]}},
    "a state without a model": {"$": "LearnerState", "of": {"model": 1, "prototype": 2, "seconds": 3}},
    "a graph without nodes": {"$": "Graph", "of": {"nodes": [], "edges": [], "inputs": [], "outputs": [], "state": {}}},
}  # fmt: skip


@pytest.mark.parametrize("value", ATTACKS.values(), ids=ATTACKS)
def test_attacks(tmp_path, monkeypatch, value):
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("it was run"))
    refused(crafted(value), tmp_path / "f")
    refused(crafted({"a": [value]}), tmp_path / "f")


@pytest.mark.parametrize(
    "content", [deep(500), deep(100_000), "[" * 100_000, "[" * 300 + "]" * 300, "{" * 9, "NaN", "[Infinity]", ""]
)
def test_nesting_and_what_is_no_json(tmp_path, content):
    refused(packed('{"format":2,"kind":"learner","value":' + content + "}", {}), tmp_path / "f")


@pytest.mark.parametrize(
    "spec", [[], None, 1, {"format": "1"}, {"format": 0}, {"format": 1}, {"format": 2, "kind": "learner"}], ids=repr
)
def test_files_that_do_not_say_what_they_are(tmp_path, spec):
    refused(packed(spec, {}), tmp_path / "f")


def test_an_array_is_used_once(tmp_path):
    """Or a small file would make any number of copies of a large array."""
    again = [{"$": "array", "of": "a0"}] * 2
    refused(crafted(again, {"a0": np.zeros(3)}), tmp_path / "f", "used already")


# ---------------------------------------------------------------- networks


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("network") / "file"
    load_learner(FILES / "network.pipeops").save(path)
    return path.read_bytes()


def record(spec: Any, id: str) -> Any:
    return found(spec, lambda e: e.get("id") == id and "arguments" in e)


def of(spec: Any, tag: str) -> Any:
    return found(spec, lambda e: e.get("$") == tag)["of"]


def backwards(spec: Any) -> None:
    of(spec, "Graph")["nodes"].reverse()


def typed(*kind: str) -> Any:
    return lambda spec: of(spec, "TaskClassif")["features"][0].__setitem__(1, list(kind))


NETWORKS = {
    "ten gigabytes": lambda s: record(s, "linear")["arguments"].update(out_features=10**9, in_features=10**9),
    "a few thousand": lambda s: record(s, "linear")["arguments"].update(out_features=4000),
    "levels": lambda s: record(s, "embedding")["arguments"].update(num_embeddings={"$": "tuple", "of": [10**9]}),
    "another argument": lambda s: record(s, "linear")["arguments"].update(device="cuda"),
    "a function": lambda s: record(s, "relu").update(key="fn", arguments={"fn": {"$": "name", "of": "os:system"}}),
    "another layer": lambda s: record(s, "relu").update(key="nothing"),
    "a cycle": lambda s: record(s, "linear").update(inputs=["head"]),
    "itself": lambda s: record(s, "linear").update(inputs=["linear"]),
    "twice": lambda s: record(s, "relu").update(id="linear"),
    "a reserved name": lambda s: record(s, "relu").update(id="forward"),
    "no name": lambda s: record(s, "relu").update(id="re lu"),
    "another type": lambda s: record(s, "relu").update(dtype="load"),
    "no arguments": lambda s: record(s, "relu").pop("arguments"),
    "a probability": lambda s: record(s, "dropout")["arguments"].update(p=7),
    "no records": lambda s: of(s, "TorchState").update(symbol=[]),
    "no weights": lambda s: of(s, "TorchState").update(network={}),
    "other inputs": lambda s: of(s, "TorchState").update(inputs={"$": "tuple", "of": []}),
    "an edge back": backwards,
    "a node less": lambda s: of(s, "Graph")["nodes"].pop(),
    "a zone that is a file": typed("Datetime", "us", "/etc/passwd"),
    "a type that is called": typed("from_native", "x"),
    "another library": lambda s: of(s, "TaskClassif").update(library="os"),
    "roles of no column": lambda s: of(s, "TaskClassif").update(roles={"target": ["nothing"]}),
}  # fmt: skip


@pytest.mark.parametrize("change", NETWORKS.values(), ids=NETWORKS)
def test_networks(network, tmp_path, change):
    refused(altered(network, change), tmp_path / "f")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(network, tmp_path, value):
    spec, arrays = unpacked(network)
    name = found(spec, lambda e: e.get("$") == "TorchState")["of"]["network"]["head.weight"]["of"]["values"]["of"]
    arrays[name] = np.full_like(arrays[name], value)
    refused(packed(spec, arrays), tmp_path / "f", "not finite")


@pytest.mark.parametrize("name", ["regr_net", "multiclass"])
def test_predictions_that_are_not_finite_are_refused(tmp_path, name):
    """Weights that are finite, and so large that what comes out is not."""
    spec, arrays = unpacked((FILES / f"{name}.pipeops").read_bytes())
    state = found(spec, lambda e: str(e.get("class")).endswith(":TorchState"))
    for weight in ("head.weight", "linear.weight"):
        entry = state["of"]["network"][weight]["of"]
        arrays[entry] = np.full_like(arrays[entry], 3e38)
    (tmp_path / "f").write_bytes(packed(spec, arrays))
    with pytest.raises(DataError, match="puts out (NaN|infinity) for"):
        load_learner(tmp_path / "f").predict(task({"regr_net": "regr", "multiclass": "three"}[name]))


def test_vectors_of_a_machine_must_fit_each_other(tmp_path):
    """The compiled part of scikit-learn would read beyond the end of an array."""
    load_learner(FILES / "classif.svm.pipeops").save(tmp_path / "sound")
    for attribute in ("support_vectors_", "_n_support", "_dual_coef_", "_intercept_", "support_"):
        spec, arrays = unpacked((tmp_path / "sound").read_bytes())
        entry = found(spec, lambda e: e.get("$") == "estimator" and "support_" in e["of"]["values"])
        name = entry["of"]["values"][attribute]["of"]
        arrays[name] = np.concatenate([arrays[name], arrays[name]]) if attribute != "support_" else arrays[name] + 1000
        refused(packed(spec, arrays), tmp_path / "f", "do not fit|cannot have")


# ---------------------------------------------------------------- mutations

MUTATIONS = """
import random, resource, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from pipeops import load_benchmark, load_learner
from pipeops.errors import DataError, FormatError
from pipeops.learn.learner import Learner
from tests.hostile import mutant
folder, times, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[2])
sound = [(p, p.read_bytes()) for p in sorted(folder.glob("*.pipeops"))]
read = lambda path, like: load_benchmark(path) if like.stem == "result" else load_learner(path)
for path, _ in sound:
    read(path, path)
before, loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
for _ in range(times):
    like, content = rng.choice(sound)
    (folder / "mutant").write_bytes(mutant(content, rng))
    try:
        got = read(folder / "mutant", like)
        assert like.stem == "result" or isinstance(got, Learner)
        loaded += 1
    except FormatError:
        pass
print(loaded, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(os.name != "posix", reason="asks for the memory of a process")
@pytest.mark.parametrize("times", [100, pytest.param(5000, marks=pytest.mark.slow)])
def test_mutations_load_or_are_refused(tmp_path, times):
    """Files of both formats with something changed: a learner or `FormatError`, nothing else, in 200 MB."""
    for old in FILES.glob("*.pipeops"):
        (tmp_path / f"{old.stem}_old.pipeops" if old.stem != "result" else tmp_path / old.name).write_bytes(old.read_bytes())
        if old.stem != "result":
            load_learner(old).save(tmp_path / old.name)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MUTATIONS, str(tmp_path), str(times)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded, megabytes = map(int, done.stdout.split())
    assert 0 < loaded < times
    assert megabytes < 200


def given(path: Path) -> bytes:
    """A file of a learner whose network holds modules that were made already."""
    module = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4))
    graph = po("torch_ingress_num") >> nn("module", module=module) >> nn("head") >> po("torch_loss", loss="mse")
    graph = graph >> po("torch_optimizer") >> po("torch_model_regr", epochs=1, batch_size=4, seed=1)
    made = as_learner(graph).train(as_task_regr({"a": [1.0, 2, 3, 4], "b": [2.0, 1, 4, 3], "y": [1.0, 2, 3, 5]}, target="y"))
    made.save(path)
    return path.read_bytes()


ALTERED = {
    "huge": ("BatchNorm1d", {"num_features": 10**12}),
    "padding": ("padding:ConstantPad1d", {"padding": [10**9, 10**9], "value": 0.0}),
    "layers": ("rnn:GRU", {"num_layers": 60_000, "bidirectional": False}),
    "called": ("BatchNorm1d", {"_compiled_call_impl": {"$": "torch_class", "of": "torch.nn.modules.linear:Linear"}}),
    "hooks": ("BatchNorm1d", {"_forward_hooks": {}}),
    "forward": ("BatchNorm1d", {"forward": 1}),
    "class": ("BatchNorm1d", {"__class__": 1}),
    "optimizer": ("torch.optim.adam:Adam", {}),
}


def test_modules_that_are_made_already(tmp_path):
    file = given(tmp_path / "f")
    assert load_learner(tmp_path / "f").is_trained
    for cls, attributes in ALTERED.values():

        def change(spec, cls=cls, attributes=attributes):
            for holder, key in places({"": spec}):
                it = holder[key]
                if isinstance(it, dict) and it.get("$") == "GivenModule" and "BatchNorm1d" in it["of"]["class"]["of"]:
                    it["of"]["attributes"].update(attributes)
                    if ":" in cls:
                        name = cls if "." in cls else f"torch.nn.modules.{cls}"
                        it["of"]["class"] = {"$": "torch_class", "of": name}

        refused(altered(file, change), tmp_path / "g")
