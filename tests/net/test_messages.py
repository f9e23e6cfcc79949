"""What a new user is told: the mistakes of a first afternoon, each refused with what to do."""

import re

import attrs
import polars as pl
import pytest
import torch

from pipeops import as_learner, nn, po, t_clbk, t_opt, tsk
from pipeops.errors import CompositionError, ConfigError, DataError, PipeOpsError, UnknownKeyError, UnknownParameterError
from pipeops.net import Callback, Context, last, layer, torch_callback

IRIS = tsk("iris")
NUM = po("torch_ingress_num")
END = r'A?a? ?network ends with po\("torch_model_classif"\) or po\("torch_model_regr"\)'


class Gated(torch.nn.Module):
    def __init__(self, in_features, out_features=3):
        super().__init__()
        self.linear = torch.nn.Linear(in_features, out_features)

    def forward(self, x):
        return self.linear(x)


def gated(in_features):
    return Gated(in_features)


class Needs(Callback):
    def __init__(self, how_many):
        self.how_many = how_many


@attrs.define(eq=False, repr=False, slots=False)
class Every(Callback):
    steps: int = 3


def graph(*callbacks, **settings):
    settings = {"epochs": 1, "batch_size": 50, "seed": 1, **settings}
    parts = nn("head") >> po("torch_loss", "cross_entropy") >> po("torch_optimizer") >> po("torch_callbacks", list(callbacks))
    return NUM >> parts >> po("torch_model_classif", **settings)


def through(fn):
    return (NUM >> nn("fn", fn=fn)).train(IRIS)


SAID = {
    "task into a layer": (lambda: po("scale") >> nn("relu"), CompositionError, r'Put po\("torch_ingress_num"\) .* between them'),
    "task into a loss": (lambda: po("scale") >> po("torch_loss", "mse"), CompositionError, "torch_ingress_categ"),
    "network into a task": (lambda: NUM >> po("scale"), CompositionError, r'before po\("torch_ingress_num"\)'),
    "network into a threshold": (lambda: NUM >> nn("head") >> po("threshold"), CompositionError, END),
    "learner of a network": (lambda: as_learner(NUM >> nn("head")), CompositionError, END),
    "argument without a name": (lambda: nn("linear", 8), TypeError, "go by name, as in out_features=8"),
    "argument of an operator": (lambda: po("scale", True), TypeError, "go by name"),
    "size that follows": (lambda: nn("linear", in_features=3), TypeError, "'in_features' follows from what comes in"),
    "constant": (lambda: nn("transformer_encoder_layer", batch_first=False), TypeError, "'batch_first' is always True"),
    "betas": (lambda: t_opt("adam", betas=0.5), ConfigError, "two numbers from 0, below 1, got 0.5"),
    "betas of text": (lambda: t_opt("adamw", betas=("a", "b")), ConfigError, "two numbers"),
    "function for one batch size": (lambda: through(lambda x: x.view(7, -1)), DataError, r"size 4\*batch; it must work for any"),
    "function of values": (lambda: through(lambda x: x if x.sum() > 0 else -x), DataError, "may not look at values"),
    "function through numpy": (lambda: through(lambda x: torch.tensor(x.numpy())), DataError, "may not look at values"),
    "function for other columns": (lambda: through(lambda x: x @ torch.ones(3, 3)), DataError, r"got \[batch, 4\] X \[3, 3\]\.$"),
    "reshape for one batch size": (lambda: (NUM >> nn("reshape", shape=(7, -1)) >> nn("linear", out_features=2)).train(IRIS),
                                   DataError, "linear: must know the size"),
    "layer's argument": (lambda: layer("m1", Gated, in_feature=last), UnknownParameterError, "Did you mean 'in_features'"),
    "layer of a lambda": (lambda: layer("m2", lambda x: x), ConfigError, r"torch.nn.Module.*nn\(\"fn\""),
    "layer of a module that is made": (lambda: layer("m3", torch.nn.Linear(3, 3)), ConfigError, "a class of torch.nn.Module"),
    "layer of a class that is none": (lambda: layer("m4", dict), ConfigError, "a class of torch.nn.Module"),
    "callback without its argument": (lambda: graph(Needs), ConfigError, r"Needs needs 'how_many'; .*Needs\(how_many=\.\.\.\)"),
    "validation frame": (lambda: as_learner(graph(), validate=pl.DataFrame({"a": [1]})), ConfigError, "None, got a DataFrame"),
    "validation word": (lambda: as_learner(graph(), validate="tst"), ConfigError, "got 'tst'"),
    "measure": (lambda: graph(measures_valid=["classif.acu"]), UnknownKeyError, "classif.auc"),
    "one measure": (lambda: graph(measures_train="classif.acu"), UnknownKeyError, "classif.acc"),
    "device": (lambda: graph(device="gpu"), ConfigError, 'no device \'gpu\'; use "auto", "cpu" or "cuda"'),
    "device of no kind": (lambda: graph(device=None), ConfigError, "no device None"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_said(name):
    make, kind, words = SAID[name]
    with pytest.raises(kind) as error:
        make()
    assert isinstance(error.value, PipeOpsError)
    (text,) = error.value.args
    assert re.search(words, text), text
    assert "20011" not in text
    assert "meta" not in text


def test_the_suggestion_is_right():
    """What the messages propose does work."""
    layer("messages_gated", Gated, in_features=last)
    layer("messages_made", gated, in_features=last)
    for key in ("messages_gated", "messages_made"):
        assert nn(key).shape_out((None, 4)) == (None, 3)
    assert po("torch_callbacks", Needs(how_many=2)).callbacks[0].how_many == 2
    assert po("torch_model_classif", device="cuda:1", measures_valid="classif.auc").device == "cuda:1"


@pytest.mark.parametrize(("name", "near"), [("terminat", "terminate"), ("yhat", "y_hat"), ("mine", "self")])
def test_a_context_takes_no_other_attributes(name, near):
    note = torch_callback("note", on_epoch_end=lambda ctx: setattr(ctx, name, True))
    with pytest.raises(UnknownParameterError, match=near):
        graph(note).train(IRIS)


def test_a_context_takes_those_that_it_has():
    names = [n for n in Context.__annotations__ if n not in ("stepper", "callbacks", "terminate")]
    note = torch_callback("note", on_end=lambda ctx: [setattr(ctx, n, getattr(ctx, n)) for n in names])
    graph(note).train(IRIS)


def test_a_callback_shows_its_arguments():
    assert repr(Every(steps=4)) == "Every(steps=4)"
    assert repr(Needs(3)) == "Needs()"
    assert repr(t_clbk("progress")) == 't_clbk("progress")'
