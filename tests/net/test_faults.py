"""What a loss, a callback or a network of the user's does has the effect that it should have, or is refused by name."""

import threading

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from pipeops import as_learner, as_task_classif, as_task_regr, nn, po, t_opt
from pipeops.errors import ConfigError, DataError, TrainingError
from pipeops.net import Callback, torch_callback
from pipeops.net.inputs.link import link_for

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
FRAME = {"a": X[:, 0], "b": X[:, 1]}
TWO = as_task_classif({**FRAME, "y": np.where(X[:, 0] > 0, "p", "n")}, target="y")
THREE = as_task_classif({**FRAME, "y": np.digitize(X[:, 0], [-0.4, 0.4])}, target="y")
NUMBER = as_task_regr({**FRAME, "y": X[:, 0]}, target="y")


def learner(task, loss, *callbacks, hidden=(), optimizer="adam", validate=None, **settings):
    network = po("torch_ingress_num")
    for layer in (*hidden, nn("head")):
        network = network >> layer
    opt = po("torch_optimizer", optimizer=optimizer) if not isinstance(optimizer, dict) else po("torch_optimizer", **optimizer)
    graph = network >> po("torch_loss", loss=loss) >> opt >> po("torch_callbacks", callbacks=list(callbacks))
    settings = {"epochs": 2, "batch_size": 20, "seed": 1, **settings}
    return as_learner(graph >> po(f"torch_model_{task.task_type}", **settings), validate=validate)


class Tempered(torch.nn.Module):
    """Cross entropy of logits that are scaled by a temperature that is learnt."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, input, target):
        return functional.binary_cross_entropy_with_logits(input * self.scale, target)


@pytest.mark.parametrize("loss", [Tempered, Tempered()])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_what_a_loss_has_to_learn_is_learnt(loss, optimizer):
    seen = []
    look = torch_callback("look", on_end=lambda ctx: seen.append(ctx.loss.scale.item()))
    learner(TWO, loss, look, optimizer=optimizer).train(TWO)
    assert seen[0] != 1.0
    frozen = t_opt("sgd", lr=0.1, param_groups=lambda named: [p for name, p in named.items() if name != "loss.scale"])
    learner(TWO, loss, look, optimizer=frozen).train(TWO)
    assert seen[1] == 1.0


@pytest.mark.parametrize("task", [TWO, THREE, NUMBER])
def test_losses_of_torch_train_what_they_are_made_for(task):
    kind = task.task_type
    fits = {
        "regr": [torch.nn.MSELoss, torch.nn.SmoothL1Loss(), functional.huber_loss],
        "classif": [torch.nn.BCEWithLogitsLoss] if task is TWO else [torch.nn.CrossEntropyLoss, torch.nn.MultiMarginLoss],
    }
    unfit = {
        "regr": [torch.nn.CrossEntropyLoss(), functional.binary_cross_entropy, torch.nn.SoftMarginLoss],
        "classif": [functional.mse_loss, torch.nn.KLDivLoss(), torch.nn.NLLLoss, torch.nn.SmoothL1Loss, torch.nn.BCELoss],
    }
    for loss in fits[kind]:
        learner(task, loss).train(task)
    for loss in unfit[kind]:
        with pytest.raises(ConfigError, match=r"torch_loss: torch\.nn.*use "):
            learner(task, loss).train(task)


def test_a_forward_of_ones_own_is_ones_own():
    class Brier(torch.nn.MSELoss):
        def forward(self, input, target):
            return super().forward(input.sigmoid(), target)

    assert learner(TWO, Brier).train(TWO).is_trained


def test_modes_are_those_of_the_beginning():
    class Norm(Callback):
        def on_begin(self, ctx):
            ctx.network.batch_norm1d.eval()
            self.modes = []

        def on_batch_begin(self, ctx):
            self.modes.append((ctx.network.batch_norm1d.training, ctx.network.dropout.training))

        def on_epoch_end(self, ctx):
            ctx.network.eval()

    made = learner(NUMBER, "mse", Norm(), hidden=(nn("batch_norm1d"), nn("dropout")), validate=0.3, epochs=3).train(NUMBER)
    assert set(made.model["torch_model_regr"].callbacks["norm"]["modes"]) == {(False, True)}
    assert not any(module.training for module in made.network.modules())


def test_scores_kept_are_those_of_the_weights_kept():
    def zero(ctx):
        with torch.no_grad():
            for param in ctx.network.parameters():
                param.zero_()

    for callback in (
        torch_callback("zero", on_end=zero),
        torch_callback("stop", on_epoch_end=lambda c: setattr(c, "terminate", True)),
    ):
        made = learner(NUMBER, "mse", callback, validate="predefined", measures_valid=["regr.mse"], eval_freq=2, epochs=4)
        made.train(NUMBER, valid=NUMBER)
        assert made.internal_valid_scores["regr.mse"] == pytest.approx(made.predict(NUMBER).score("regr.mse"), rel=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_an_error(value):
    def break_it(ctx):
        ctx.network.head.weight.data[0, 0] = value

    made = learner(NUMBER, "mse", torch_callback("late", on_end=break_it))
    with pytest.raises(TrainingError, match=r"'head.weight' of the network became NaN or infinite"):
        made.train(NUMBER)
    assert not made.is_trained


def test_what_cannot_be_copied_is_shared_by_the_copies():
    class Log(Callback):
        def __init__(self):
            self.lock, self.rows = threading.Lock(), []

        def on_epoch_end(self, ctx):
            with self.lock:
                self.rows.append(ctx.epoch)

        def state_dict(self):
            return {"rows": self.rows}

    log = Log()
    made = learner(NUMBER, "mse", log)
    for _ in range(2):
        assert made.train(NUMBER).model["torch_model_regr"].callbacks["log"]["rows"] == [1, 2]
    assert log.rows == []


def test_validation_data_without_a_measure_is_scored_with_the_loss():
    made = learner(NUMBER, "mse", validate=0.3).train(NUMBER)
    assert made.history.columns == ["epoch", "train.loss", "valid.loss"]
    assert made.internal_valid_scores == {"loss": made.history["valid.loss"][-1]}


def test_predictions_show_the_weights_of_their_rows():
    weights = np.linspace(0.5, 2, 60)
    for task, make in ((TWO, as_task_classif), (NUMBER, as_task_regr)):
        made = learner(task, "mse" if task is NUMBER else "cross_entropy").train(task)
        weighted = make({**FRAME, "y": task.truth(), "w": weights}, target="y").with_roles(weight="w")
        np.testing.assert_array_equal(made.predict(weighted).weights, weights)
        assert made.predict(task).weights is None


def test_probabilities_of_both_classes_are_exact_and_keep_the_order():
    link = link_for(["p", "n"])
    logits = torch.tensor([-90.0, -40.0, -1.0, 0.0, 1.0, 17.5, 40.0, 90.0]).unsqueeze(1)
    prob = link._prob(logits)
    x = logits[:, 0].double().numpy()
    np.testing.assert_allclose(prob, np.stack([expit(x), expit(-x)], axis=1), rtol=1e-14)
    large = link._prob(torch.tensor([[-1e6], [-2000.0], [-1000.0], [-701.0], [701.0], [1000.0], [2000.0], [1e6]]))
    assert (np.diff(large[:4, 0]) > 0).all()
    assert (np.diff(large[4:, 1]) < 0).all()
    scores = torch.tensor([[0.0, 3.0, -800.0], [0.0, 1.0, -1000.0]])
    several = link_for([*"abc"])._prob(scores)
    np.testing.assert_allclose(several[:, :2], np.exp(log_softmax(scores.double().numpy(), axis=1))[:, :2], rtol=1e-14)
    assert several[0, 2] > several[1, 2] > 0


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [1.0, 50.0, 5000.0])
def test_measures_of_ranking_see_the_order_of_logits(sign, size):
    rng = np.random.default_rng(0)
    logit = rng.uniform(1, 2, 200).astype(np.float32) * size
    truth = logit / size + rng.normal(0, 0.3, 200) > 1.5
    task = as_task_classif({"x": np.arange(200), "y": np.where(truth, "p", "n")}, target="y", positive="p")
    prediction = link_for(["p", "n"]).predict(torch.tensor(sign * logit).unsqueeze(1), task, with_all=True)
    assert prediction.score("classif.auc") == pytest.approx(roc_auc_score(truth, sign * logit))


def test_nodes_by_hand_say_what_they_take():
    with pytest.raises(DataError, match=r"torch_loss: takes a ModelDescriptor.*got TaskRegr; put po\(\"torch_ingress_num\"\)"):
        po("torch_loss", loss="mse").train([NUMBER])
    with pytest.raises(DataError, match="linear: takes a ModelDescriptor"):
        nn("linear", out_features=2).train([NUMBER])
    with pytest.raises(ConfigError, match="set 'loss' before training"):
        po("torch_loss").train(po("torch_ingress_num").train([NUMBER])[0])


@pytest.mark.parametrize("shape", [(-1, -1, 2), (0, 2), (-1, None), (), 3, "ab", (-1, 2.0)])
def test_shapes_that_say_too_little_are_refused(shape):
    with pytest.raises(ConfigError, match=r"reshape: 'shape' has sizes from 1 and at most one -1"):
        nn("reshape", shape=shape).shape_out((None, 4))


class Exchanged(Callback):
    """Puts new parameters, or a new layer, in the place of the head's, at some stage of the second epoch."""

    def __init__(self, stage, whole):
        self.whole, self.done = whole, False
        setattr(self, stage, self.exchange)

    def exchange(self, ctx):
        if ctx.epoch < 2 or self.done:
            return
        self.done, head = True, ctx.network.head
        if self.whole:
            ctx.network.head = torch.nn.Linear(2, 1)
        else:
            head.weight = torch.nn.Parameter(torch.full((1, 2), 9.0))


LINE = as_task_regr({**FRAME, "y": X @ [1.0, -2.0] + 3}, target="y")


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam", {"optimizer": "adam", "lr": {"head": 0.2, "*": 0.01}}])
@pytest.mark.parametrize(("stage", "whole"), [("on_epoch_begin", False), ("on_batch_end", False), ("on_epoch_end", True)])
def test_parameters_that_a_callback_puts_there_are_trained(optimizer, stage, whole):
    settings = optimizer if isinstance(optimizer, dict) else {"optimizer": optimizer, "lr": 0.2}
    head = learner(LINE, "mse", Exchanged(stage, whole), optimizer=settings, epochs=50).train(LINE).network.head
    assert np.allclose([*head.weight[0].tolist(), *head.bias.tolist()], [1, -2, 3], atol=0.1)


@pytest.mark.parametrize(
    ("optimizer", "name"), [("lbfgs", "head.weight"), ({"optimizer": "adam", "lr": {"head": 0.05, "*": 0.01}}, "extra")]
)
def test_a_parameter_that_an_optimizer_cannot_take_over_is_named(optimizer, name):
    does = Extra() if name == "extra" else Exchanged("on_epoch_begin", False)
    with pytest.raises(TrainingError, match=rf"'{name}' of the network .* by a callback in epoch 2"):
        learner(NUMBER, "mse", does, hidden=[nn("linear", out_features=2)], optimizer=optimizer).train(NUMBER)


class Extra(Callback):
    """Lets the network have one parameter more."""

    def on_epoch_begin(self, ctx):
        if ctx.epoch == 2:
            ctx.network.extra = torch.nn.Parameter(torch.ones(()))


def zeroing(input, target):
    value = functional.binary_cross_entropy_with_logits(input, target)
    target.zero_()
    return value


def remembering(input, target, kept=[]):  # noqa: B006 the fault that is meant
    kept.append(functional.binary_cross_entropy_with_logits(input, target))
    return sum(kept)


@pytest.mark.parametrize(
    ("loss", "words"), [(zeroing, r"writes in place.*x\.clone\(\)"), (remembering, "an earlier batch.*detach")]
)
def test_a_gradient_that_cannot_be_computed_says_why(loss, words):
    with pytest.raises(TrainingError, match=words):
        learner(TWO, loss).train(TWO)


def test_the_validation_split_keeps_groups_together():
    data = {"x": np.arange(40.0), "g": np.arange(40) // 4, "y": np.arange(40.0)}
    task = as_task_regr(data, target="y").with_roles(group="g")
    seen = {}
    looks = torch_callback("looks", on_end=lambda ctx: seen.update(valid=ctx.task_valid.row_ids))
    learner(task, "mse", looks, validate=0.3, epochs=1).train(task)
    assert len(seen["valid"]) == 12
    assert np.unique(seen["valid"] // 4, return_counts=True)[1].tolist() == [4, 4, 4]
