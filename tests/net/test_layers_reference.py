"""Layers beside the reference's registry, inferred shapes and module outputs (mlr3torch)."""

import re

import pytest
import torch

from pipeops import lrn, nn, t_clbk, t_loss, t_opt
from pipeops.errors import PipeOpsError
from pipeops.params import UNSET, hyperparameters

ONE_BASED = {("flatten", "start_dim")}


def test_every_key_and_hyperparameter_of_the_reference(reference):
    rows = [r for r in reference("10_torch_static")["registry"]["pipeops"] if r["key"].startswith("nn_")]
    assert len(rows) > 55
    for row in rows:
        key = row["key"].removeprefix("nn_")
        own = hyperparameters(nn[key])
        for p in row.get("params") or []:
            assert p["id"] in own, f"{key}.{p['id']}"
            _same(key, p, own[p["id"]])


# torch no longer has them, R needs them, or (mode) follows from the measure; paths and steps that must be set are UNSET here
OF_R = {"verbose", "num_interop_threads", "collate_fn", "timeout", "worker_init_fn", "worker_globals", "worker_packages"}
OTHERWISE = {
    "tensor_dataset",
    "jit_trace",
    "cardinalities",
    "ingress_tokens",
    "mode",
    "shuffle",
    "seed",
    "freq",
    "activation_args",
}


def _initial(p):
    """What a hyperparameter of the reference begins with, or its default; None where there is none."""
    found = p["value"] if p["value"] is not None else p.get("default") if p["has_default"] else None
    found = found[0] if isinstance(found, list) and len(found) == 1 else found
    return None if isinstance(found, str) and found.startswith("<") else found


@pytest.mark.parametrize(
    ("section", "shelf"), [("losses", t_loss), ("optimizers", t_opt), ("callbacks", t_clbk), ("learners", lrn)]
)
def test_the_rest_of_the_registry_and_its_first_values(section, shelf, reference):
    compared = 0
    for row in reference("10_torch_static")["registry"][section]:
        own = {} if "module" in row["key"] else dict(shelf(row["key"]).params.items())
        for p in (row.get("params") or []) if own else []:
            if p["id"] in OF_R | OTHERWISE:
                continue
            assert p["id"] in own, f"{row['key']}.{p['id']}"
            theirs, ours = _initial(p), own[p["id"]]
            if theirs not in (None, []):
                ours = list(ours) if isinstance(ours, tuple) else ours
                assert ours == pytest.approx(theirs) if isinstance(theirs, float) else ours == theirs, f"{row['key']}.{p['id']}"
            compared += 1
    assert compared > 2


def _same(key, theirs, ours):
    where = f"{key}.{theirs['id']}"
    if "required" in theirs["tags"] and theirs["value"] is None:
        assert ours.default is UNSET, where
    elif not theirs["has_default"] and isinstance(theirs["value"], list) and not str(theirs["value"][0]).startswith("<"):
        assert ours.default == pytest.approx(theirs["value"][0]) or ours.default == theirs["value"][0], where
    elif theirs["has_default"]:
        default = theirs["default"]
        default = default[0] if isinstance(default, list) and len(default) == 1 else default
        if (key, theirs["id"]) in ONE_BASED:
            default -= 1
        assert ours.default == pytest.approx(default) if isinstance(default, float) else ours.default == default, where
    if theirs["class"] == "ParamFct":
        assert set(ours.options) == set(theirs["levels"]), where
    if (
        theirs["class"] in ("ParamInt", "ParamDbl")
        and theirs["lower"][0] not in ("-Inf", None)
        and theirs["id"] != "divisor_override"
    ):
        assert ours.low == theirs["lower"][0], where


def _node(text):
    """Our node for the reference's call; dimensions are counted from 1 there."""
    key, _, rest = re.fullmatch(r'po\("nn_(\w+)"(, )?(.*)\)', text).groups()
    arguments = dict(re.findall(r"(\w+) = (c\([^)]*\)|[-\d.]+)", rest))
    given = {}
    for name, value in arguments.items():
        number = tuple(int(v) for v in value[2:-1].split(",")) if value.startswith("c(") else int(value)
        given[name] = number - 1 if name in ("dim", "start_dim", "end_dim") and number > 0 else number
    return nn(key, **given)


def test_shapes_of_the_reference(reference):
    compared = 0
    for case in reference("10_torch_static")["shapes_out"]:
        shapes = [tuple(s) for s in case["shapes_in"]]
        if "error" in case:
            with pytest.raises(PipeOpsError):
                _node(case["r"]).shape_out(*shapes)
        else:
            assert [list(_node(case["r"]).shape_out(*shapes))] == case["shapes_out"], case["r"]
        compared += 1
    assert compared > 32


def _tensor(entry):
    return torch.tensor(entry["values"]).reshape(entry["shape"])


START = 'bias = TRUE, initialization = "uniform"'
MODULES = {
    f"nn_tokenizer_categ(cardinalities = c(2, 3), d_token = 3, {START})": lambda: nn["tokenizer_categ"].torch_module((2, 3), 3),
    'nn_ft_cls(d_token = 4, initialization = "uniform")': lambda: nn["ft_cls"].torch_module(4),
    "nn_reglu()": lambda: nn["reglu"].torch_module(),
    "nn_geglu()": lambda: nn["geglu"].torch_module(),
    "nn_glu()": lambda: nn["glu"].torch_module(),
    "nn_merge_prod()": lambda: nn["merge_prod"].torch_module(),
    "nn_merge_cat()": lambda: nn["merge_cat"].torch_module(),
    "nn_merge_cat(dim = 2)": lambda: nn["merge_cat"].torch_module(dim=1),
    "nn_linear(4, 3)": lambda: nn["linear"].torch_module(4, 3),
    "nn_layer_norm(4)": lambda: nn["layer_norm"].torch_module(4),
}


@pytest.mark.parametrize("call", MODULES)
def test_module_outputs_of_the_reference(reference, call):
    (case,) = [c for c in reference("10_torch_static")["module_outputs"] if c["r"] == call]
    module = MODULES[call]()
    module.load_state_dict({p["name"]: _tensor(p) for p in case["parameters"]})
    given = [t - 1 if t.dtype == torch.int64 else t for t in map(_tensor, case["input"])]  # codes are counted from 1 there
    torch.testing.assert_close(module(*given), _tensor(case["output"]), rtol=1e-5, atol=1e-6)
