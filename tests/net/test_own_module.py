"""Modules of one's own: as nodes, as learners, pretrained and frozen, in files."""

import numpy as np
import pytest
import torch

from pipeops import as_learner, as_task_classif, as_task_regr, load_learner, lrn, nn, po
from pipeops.errors import ConfigError, FormatError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
CITY = RNG.choice(["Aix", "Bern"], 40)
FRAME = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
TASK = as_task_regr({**FRAME, "y": X[:, 0] - X[:, 1]}, target="y")
MIXED = as_task_classif({**FRAME, "city": CITY, "y": np.where(X[:, 0] > 0, "p", "q")}, target="y")


class TwoTowers(torch.nn.Module):
    """Numbers beside codes."""

    def __init__(self, width: int, levels: int = 3):
        super().__init__()
        self.codes = torch.nn.Embedding(levels, width)
        self.numbers = torch.nn.Linear(3, width)
        self.last = torch.nn.Linear(2 * width, 1)

    def forward(self, x, city):
        return self.last(torch.cat([self.numbers(x), self.codes(city)[:, 0]], -1))


def by_task(task, width: int = 2):
    """A network that is made for a task."""
    return torch.nn.Sequential(torch.nn.Linear(len(task.feature_names), width), torch.nn.Linear(width, 1))


class Backbone(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm = torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)
        self.scale = 2.0

    def forward(self, x):
        return self.norm(self.linear(x)) * self.scale


def ending(**model):
    settings = {"epochs": 2, "batch_size": 10, "seed": 1} | model
    return nn("head") >> po("torch_loss", loss="mse") >> po("torch_optimizer", lr=0.1) >> po("torch_model_regr", **settings)


def frozen(backbone, **settings):
    return as_learner(po("torch_ingress_num") >> nn("module", module=backbone, **settings) >> ending())


def values(module):
    return [t.detach().clone() for t in module.state_dict().values()]


def test_a_pretrained_backbone_is_kept_and_its_head_trained():
    backbone = Backbone().train()
    before = values(backbone)
    learner = frozen(backbone, freeze=True).train(TASK)
    for mine, right in zip(values(learner.network.module), before, strict=True):
        assert torch.equal(mine, right)
    assert {p.requires_grad for p in learner.network.module.parameters()} == {False}
    with torch.no_grad():
        right = learner.network.head(backbone.eval()(torch.tensor(X)))[:, 0].numpy()
    np.testing.assert_allclose(learner.predict(TASK).response, right, rtol=1e-5, atol=1e-6)
    trained = frozen(backbone).train(TASK).network.module
    assert not torch.equal(trained.linear.weight, backbone.linear.weight)
    assert torch.equal(backbone.linear.weight, before[0]), "the module that was given stays as it was"


@pytest.mark.parametrize("freeze", [True, False])
def test_a_backbone_is_saved(freeze, tmp_path):
    learner = frozen(Backbone(), freeze=freeze).train(TASK)
    learner.save(tmp_path / "net")
    with pytest.raises(FormatError, match="Backbone"):
        load_learner(tmp_path / "net")
    again = load_learner(tmp_path / "net", trust=(Backbone,))
    assert np.array_equal(again.predict(TASK).response, learner.predict(TASK).response)
    for one in (learner, again):
        one.train(TASK)
    assert np.array_equal(again.predict(TASK).response, learner.predict(TASK).response)


def test_modules_of_torch_are_saved_without_trust(tmp_path):
    parts = [torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Linear(4, 2))]
    network = nn("fn", fn=torch.nn.Sequential(*parts)) >> nn("module", module=torch.nn.Linear, in_features=2, out_features=3)
    learner = as_learner(po("torch_ingress_num") >> network >> ending()).train(TASK)
    learner.save(tmp_path / "net")
    again = load_learner(tmp_path / "net")
    assert np.array_equal(again.predict(TASK).response, learner.predict(TASK).response)
    assert np.array_equal(again.train(TASK).predict(TASK).response, learner.train(TASK).predict(TASK).response)


def test_arguments_are_hyperparameters_and_ports_those_of_forward():
    node = nn("module", module=TwoTowers, width=2)
    assert [c.name for c in node.inputs] == ["x", "city"]
    assert node.params["levels"] == 3
    assert node.with_param("width", 5).params["width"] == 5
    assert repr(node).endswith("TwoTowers, width=2)")
    for given, part in ((3, "takes a torch.nn.Module"), (torch.optim.Adam, "takes a torch.nn.Module")):
        with pytest.raises(ConfigError, match=part):
            nn("module", module=given)
    with pytest.raises(ConfigError, match="made already"):
        nn("module", module=Backbone(), width=3)
    with pytest.raises(ConfigError, match="'width'"):
        (po("torch_ingress_num") >> nn("module", module=by_task) >> nn("module", id="other", module=TwoTowers)).train(TASK)


def test_a_learner_with_an_ingress_for_each_argument(tmp_path):
    settings = {"epochs": 2, "batch_size": 10, "seed": 1, "predict_type": "prob"}
    learner = lrn("classif.module", module=TwoTowers, ingress={"city": "categ", "x": "num"}, width=2, **settings).train(MIXED)
    codes = torch.tensor((CITY == "Bern").astype(np.int64)[:, None])
    with torch.no_grad():
        right = torch.sigmoid(learner.network.module(torch.tensor(X), codes))[:, 0].numpy()
    np.testing.assert_allclose(learner.predict(MIXED).prob[:, 0], right, rtol=1e-5)
    unseen = learner.predict_newdata({"a": [0.0], "b": [0.0], "c": [0.0], "city": ["Cork"]})
    assert np.isfinite(unseen.prob).all(), "the code after the levels is for those that training did not see"
    learner.params["width"] = 3
    assert learner.train(MIXED).network.module.last.in_features == 6
    learner.save(tmp_path / "net")
    again = load_learner(tmp_path / "net", trust=(TwoTowers,))
    assert np.array_equal(again.predict(MIXED).prob, learner.predict(MIXED).prob)
    with pytest.raises(ConfigError, match="forward takes 'x', 'city'"):
        lrn("classif.module", module=TwoTowers, ingress={"x": "num", "z": "categ"}, width=2)
    with pytest.raises(ConfigError, match="say what each of them gets"):
        lrn("classif.module", module=TwoTowers, ingress="text", width=2)
    with pytest.raises(ConfigError, match="give the module"):
        lrn("classif.module", epochs=1)


def test_a_factory_may_ask_for_the_task():
    learner = lrn("regr.module", module=by_task, width=4, epochs=1, batch_size=10, seed=1).train(TASK)
    assert learner.network.module[0].in_features == 3
    assert learner.network.module[0].out_features == 4


def test_a_plain_module_becomes_a_learner():
    plain = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    learner = as_learner(plain, loss="mse", epochs=2, batch_size=10, seed=1, id="plain").train(TASK)
    assert (learner.id, learner.task_type) == ("plain", "regr")
    assert learner.predict(TASK).score("regr.mse") > 0
    assert as_learner(torch.nn.Linear, in_features=3, out_features=1).task_type == "classif"
    assert as_learner(plain, task_type="regr").task_type == "regr"
    with pytest.raises(ConfigError, match=r"for a torch\.nn\.Module"):
        as_learner(po("scale") >> lrn("classif.lda"), epochs=2)
