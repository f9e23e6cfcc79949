"""Layers beside the reference's registry, inferred shapes and module outputs (mlr3torch)."""

import re

import pytest
import torch

from pipeops import nn
from pipeops.errors import PipeOpsError
from pipeops.params import UNSET, hyperparameters

LATER = {"block"}
ONE_BASED = {("flatten", "start_dim")}
# differs: torch's Python class has no such argument, or another default
NOT_OURS = {("transformer_encoder_layer", "is_causal")}


def test_every_key_and_hyperparameter_of_the_reference(reference):
    rows = [r for r in reference("10_torch_static")["registry"]["pipeops"] if r["key"].startswith("nn_")]
    assert len(rows) > 55
    for row in rows:
        key = row["key"].removeprefix("nn_")
        if key in LATER:
            continue
        own = hyperparameters(nn[key])
        for p in row.get("params") or []:
            if (key, p["id"]) not in NOT_OURS:
                assert p["id"] in own, f"{key}.{p['id']}"
                _same(key, p, own[p["id"]])


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
        if re.search("|".join(f'nn_{key}"' for key in LATER), case["r"]):
            continue
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
