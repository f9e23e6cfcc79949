"""Columns of tensors: made of anything, moved without being read, read in batches, taken into networks."""

import gc
import pickle
import threading

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from pipeops import (
    as_lazy_tensor,
    as_learner,
    as_task_classif,
    as_task_regr,
    benchmark,
    benchmark_grid,
    chain,
    load_learner,
    lrn,
    nn,
    po,
    rsmp,
    saving,
    t_clbk,
    t_sampler,
)
from pipeops.data.columns import LAZY
from pipeops.data.tensors import sources as held
from pipeops.errors import ConfigError, DataError, FormatError, PipeOpsError
from pipeops.keys import KEYS
from pipeops.net.inputs import streams
from pipeops.net.tensors import sources
from pipeops.params import UNSET
from pipeops.testing import example

IMAGES = torch.rand((40, 2, 5, 6), generator=torch.Generator().manual_seed(0))
LABELS = ["a", "b"] * 20


class Counting(torch.utils.data.Dataset):
    """Images that are counted when they are read."""

    def __init__(self, values=IMAGES):
        self.values, self.read = values, []

    def __len__(self):
        return len(self.values)

    def __getitem__(self, row):
        self.read.append(row)
        return self.values[row]


class Pairs(Counting):
    """An image and its mean."""

    def __getitem__(self, row):
        value = super().__getitem__(row)
        return {"image": value, "mean": value.mean((1, 2))}


class Locked(Counting):
    """What cannot be told from another."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def task_of(column, labels=LABELS, **more):
    return as_task_classif({"image": column, **more, "y": labels[: len(column)]}, target="y", positive="b")


def network(*before, epochs=2, **model):
    return (
        chain([*before, po("torch_ingress_ltnsr")])
        >> nn("flatten")
        >> nn("linear", out_features=4)
        >> nn("relu")
        >> nn("dropout", p=0.2)
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam", lr=0.01)
        >> po("torch_model_classif", **{"epochs": epochs, "batch_size": 8, "predict_type": "prob", "seed": 1, **model})
    )


def ending(task_type="classif", **model):
    return (
        nn("head")
        >> po("torch_loss", loss="cross_entropy" if task_type == "classif" else "mse")
        >> po("torch_optimizer", optimizer="adam", lr=0.01)
        >> po(f"torch_model_{task_type}", **{"epochs": 1, "batch_size": 8, "seed": 1, **model})
    )


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_nothing_is_read_while_rows_and_columns_move(library):
    images = Counting()
    frame = task_of(as_lazy_tensor(images), size=range(40)).data()
    native = {"polars": lambda f: f, "pandas": lambda f: f.to_pandas(), "pyarrow": lambda f: f.to_arrow()}[library](frame)
    task = as_task_classif(native, target="y", positive="b")
    before = list(images.read)
    assert task.feature_types == {"image": "tensor", "size": "numeric"}
    assert task.schema["image"] == LAZY
    few = task.filter([7, 3, 30]).with_roles(stratum="y").select(["image"])
    bound = few.cbind({"other": [1.0, 2.0, 3.0]})
    (renamed,), _ = po("renamecolumns", renaming={"image": "picture"}).train([bound])
    assert "tensor (1): picture" in repr(renamed)
    assert renamed.missings()["picture"] == 0
    rsmp("cv", folds=3).instantiate(task.with_roles(stratum="y"))
    longer = task.rbind(task.data(rows=[1, 2])).filter([40, 39, 41])
    assert images.read == before
    assert torch.equal(renamed.tensor("picture"), IMAGES[[7, 3, 30]])
    assert torch.equal(longer.tensor("image"), IMAGES[[1, 39, 2]])
    assert set(images.read) == {0, 7, 3, 30, 1, 39, 2}


def test_rows_of_several_sources_are_bound_and_read_in_their_order():
    one, other = task_of(as_lazy_tensor(IMAGES[:10])), task_of(as_lazy_tensor(Counting(IMAGES[10:])))
    task = one.rbind(other.data()).filter([30, 2, 11, 9])
    assert torch.equal(task.tensor("image"), IMAGES[[30, 2, 11, 9]])
    (changed,), _ = po("trafo_normalize", mean=1.0, std=2.0).train([task])
    assert torch.equal(changed.tensor("image"), (IMAGES[[30, 2, 11, 9]] - 1) / 2)
    with pytest.raises(DataError, match="different kinds"):
        one.rbind(task_of(as_lazy_tensor(torch.zeros(3, 4))).data()).tensor("image")


@pytest.mark.parametrize(
    "column",
    [
        as_lazy_tensor(IMAGES),
        as_lazy_tensor(IMAGES.numpy()),
        as_lazy_tensor(Counting()),
        as_lazy_tensor(lambda row: IMAGES[row].numpy(), n=40),
        as_lazy_tensor(list(IMAGES)),
        as_lazy_tensor(Pairs(), part="image"),
        IMAGES,
        IMAGES.numpy(),
        list(IMAGES.numpy()),
        pl.Series(IMAGES.numpy()),
    ],
    ids=["tensor", "array", "dataset", "function", "list", "part", "eager", "eager array", "eager list", "polars"],
)
def test_a_column_of_tensors_is_made_of_anything(column):
    task = task_of(column)
    assert task.feature_types["image"] == "tensor"
    assert torch.equal(task.filter([5, 0]).tensor("image"), IMAGES[[5, 0]])
    learner = as_learner(network()).train(task)
    expected = as_learner(network()).train(task_of(as_lazy_tensor(IMAGES)))
    assert np.array_equal(learner.predict(task).prob, expected.predict(task_of(as_lazy_tensor(IMAGES))).prob)


def test_pandas_and_arrow_hold_arrays_too():
    cells = pd.DataFrame({"image": list(IMAGES.numpy()), "y": LABELS})
    table = pl.DataFrame({"image": IMAGES.numpy(), "y": LABELS}).to_arrow()
    assert isinstance(table, pa.Table)
    for frame in (cells, table, table.to_pandas(types_mapper=pd.ArrowDtype)):
        task = as_task_classif(frame, target="y")
        assert torch.equal(task.filter([3, 1]).tensor("image"), IMAGES[[3, 1]])
        assert as_learner(network()).train(task).predict(task).prob.shape == (40, 2)
    added = as_task_classif(cells.drop(columns="image").assign(z=1.0), target="y").cbind({"image": as_lazy_tensor(IMAGES)})
    assert torch.equal(added.tensor("image"), IMAGES)


def test_sources_live_as_long_as_something_holds_them():
    task = task_of(as_lazy_tensor(IMAGES))
    number = task.data()["image"].struct.field("tensor_source")[0]
    (changed,), _ = po("trafo_nop").train([task])
    kept = changed.frame()
    del task, changed
    gc.collect()
    with pytest.raises(DataError, match="no longer there"):
        as_task_classif({"image": kept["image"], "y": LABELS}, target="y").tensor("image")
    assert number in held._kept  # handed out by data(), so it stays


def test_a_task_goes_to_another_process_with_its_tensors():
    task = task_of(as_lazy_tensor(Counting())).filter([4, 2])
    twin = pickle.loads(pickle.dumps(task))
    assert torch.equal(twin.tensor("image"), IMAGES[[4, 2]])


def test_shapes_that_differ_are_none_and_must_be_made_alike():
    several = [torch.rand(1, 4 + row % 3, 5) for row in range(12)]
    with pytest.raises(DataError, match="Row 1 of"):
        as_task_classif({"image": as_lazy_tensor(several), "y": LABELS[:12]}, target="y").tensor("image")
    column = as_lazy_tensor(several, shape=(None, 1, None, 5))
    assert column.shape == (None, 1, None, 5)
    task = task_of(column)
    with pytest.raises(DataError, match="trafo_resize"):
        task.tensor("image")
    (resized,), _ = po("trafo_resize", size=(6, 6)).train([task])
    assert resized.tensor("image").shape == (12, 1, 6, 6)
    for loader in ("auto", "stream"):
        learner = as_learner(network(po("trafo_resize", size=(6, 6)), loader=loader)).train(task)
        assert learner.predict(task).prob.shape == (12, 2)


def test_what_is_wrong_is_refused_and_says_what_helps():
    for given, message in (
        (lambda: as_lazy_tensor(lambda row: row), "n=..."),
        (lambda: as_lazy_tensor(3), "cannot read int"),
        (lambda: as_lazy_tensor(Pairs()), "part= one of \\['image', 'mean'\\]"),
        (lambda: as_lazy_tensor(IMAGES, shape=(2, 5, 6)), "begins with None"),
        (lambda: as_lazy_tensor(IMAGES, shape=(None, 3, 5, 6)), "not \\(None, 3, 5, 6\\)"),
        (lambda: as_lazy_tensor(["x.png"] * 0), "empty"),
        (lambda: as_lazy_tensor(lambda row: "text", n=2), "must be a tensor"),
        (lambda: as_lazy_tensor(lambda row: 1 / row, n=2), "ZeroDivisionError"),
    ):
        with pytest.raises((ConfigError, DataError), match=message):
            given()
    task = task_of(as_lazy_tensor(IMAGES), size=range(40))
    for learner in (lrn("classif.log_reg"), as_learner(po("torch_ingress_num") >> ending())):
        with pytest.raises(PipeOpsError, match="torch_ingress_ltnsr"):
            learner.train(task)
    with pytest.raises(DataError, match="torch_ingress_ltnsr"):
        task.matrix()
    with pytest.raises(DataError, match="takes tensor columns, got 'size'"):
        as_learner(network()).train(task)
    with pytest.raises(DataError, match="takes one column"):
        as_learner(network()).train(task_of(as_lazy_tensor(IMAGES), other=IMAGES))
    with pytest.raises(DataError, match="missing or infinite"):
        as_learner(network()).train(task_of(as_lazy_tensor(torch.full((40, 3), float("nan")))))
    with pytest.raises(DataError, match="'size' of the task"):
        task.tensor("size")


def test_a_learner_without_features_does_not_read():
    images = Counting()
    task = task_of(as_lazy_tensor(images))
    lrn("classif.featureless").train(task).predict(task)
    assert images.read == [0]


def test_the_ingress_insists_on_a_shape_and_on_the_one_of_training():
    task = task_of(as_lazy_tensor(IMAGES))
    with pytest.raises(DataError, match="not \\(None, 3, 5, 6\\)"):
        po("torch_ingress_ltnsr", shape=(None, 3, 5, 6)).train([task])
    (descriptor,), _ = po("torch_ingress_ltnsr", shape=(None, 2, None, 6)).train([task])
    assert descriptor.symbol.shape == (None, 2, 5, 6)
    learner = as_learner(network()).train(task)
    with pytest.raises(DataError, match="not \\(None, 2, 5, 6\\)"):
        learner.predict(task_of(as_lazy_tensor(IMAGES[:, :1])))


@pytest.mark.parametrize(
    ("dtype", "taken"),
    [(torch.uint8, torch.float32), (torch.bool, torch.float32), (torch.float64, torch.float32), (torch.int32, torch.int64)],
)
def test_types_become_those_of_networks(dtype, taken):
    (descriptor,), _ = po("torch_ingress_ltnsr").train([task_of(as_lazy_tensor(torch.ones((4, 3), dtype=dtype)))])
    assert descriptor.symbol.dtype == taken
    assert descriptor.feed.sources["torch_ingress_ltnsr"].tensor().dtype == taken


def test_a_learner_on_tensors_is_saved_and_predicts_new_data(tmp_path):
    task = task_of(as_lazy_tensor(Counting()), size=[float(i) for i in range(40)])
    normalize = po("select", id="s1", selector=["image"]) >> po("trafo_normalize", mean=0.5, std=0.2)
    scale = po("select", id="s2", selector=["size"]) >> po("scale")
    ways = [normalize >> po("torch_ingress_ltnsr") >> nn("flatten"), scale >> po("torch_ingress_num")]
    learner = as_learner(ways >> nn("merge_cat") >> ending()).train(task)
    learner.save(tmp_path / "learner")
    loaded = load_learner(tmp_path / "learner")
    new = {"image": as_lazy_tensor(IMAGES[:5]), "size": [float(i) for i in range(5)]}
    expected = learner.predict(task, rows=range(5))
    assert loaded.predict_newdata(new).response.tolist() == expected.response.tolist()
    assert learner.predict_newdata({**new, "image": IMAGES[:5].numpy()}).response.tolist() == expected.response.tolist()
    assert learner.predict(task.filter([])).to_frame().height == 0
    with pytest.raises(FormatError, match="read from elsewhere"):
        saving.write(tmp_path / "task", "task", task)


def test_columns_that_share_a_data_set_read_it_once_a_batch():
    pairs = Pairs()
    columns = {name: as_lazy_tensor(pairs, part=name, keep=False) for name in ("image", "mean")}
    task = as_task_regr({**columns, "y": range(40)}, target="y")
    ways = [
        po("select", id=f"s{k}", selector=[name]) >> po("torch_ingress_ltnsr", id=f"i{k}") >> nn("flatten", id=f"f{k}")
        for k, name in enumerate(["image", "mean"])
    ]
    pairs.read.clear()
    learner = as_learner(ways >> nn("merge_cat") >> ending("regr", epochs=3, loader="stream")).train(task)
    assert len(pairs.read) == 3 * 40
    learner.predict(task)
    assert len(pairs.read) == 4 * 40


def test_small_columns_are_read_once_and_large_ones_in_each_epoch(monkeypatch):
    images = Counting()
    as_learner(network(epochs=5)).train(task_of(as_lazy_tensor(images)))
    assert sorted(images.read) == list(range(40))
    monkeypatch.setattr(sources, "KEPT", 100)
    monkeypatch.setattr(streams, "RESIDENT", 100)
    images = Counting()
    as_learner(network(epochs=5)).train(task_of(as_lazy_tensor(images)))
    assert len(images.read) == 1 + 5 * 40


def test_processes_read_what_is_read_once_too():
    images = Counting()
    learner = as_learner(network(num_workers=2)).train(task_of(as_lazy_tensor(images)))
    assert images.read == [0]
    expected = as_learner(network()).train(task_of(as_lazy_tensor(IMAGES)))
    assert np.array_equal(learner.network.state_dict()["head.weight"], expected.network.state_dict()["head.weight"])


def test_a_run_on_augmented_images_goes_on_where_it_was(tmp_path):
    def model(epochs, checked=True, **more):
        layers = po("augment_random_crop", size=(5, 6), padding=1) >> po("torch_ingress_ltnsr") >> nn("flatten") >> nn("head")
        graph = layers >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer", optimizer="adam", lr=0.01)
        if checked:
            graph = graph >> po("torch_callbacks", callbacks=t_clbk("checkpoint", path=tmp_path / "runs"))
        options = {"epochs": epochs, "batch_size": 8, "seed": 1, "predict_type": "prob", **more}
        return as_learner(graph >> po("torch_model_classif", **options))

    task = task_of(as_lazy_tensor(Counting()))
    whole = model(4, checked=False).train(task)
    model(2).train(task)
    assert list((tmp_path / "runs").iterdir())
    resumed = model(4, resume=tmp_path / "runs").train(task)
    assert np.array_equal(whole.predict(task).prob, resumed.predict(task).prob)


def test_samplers_and_weights_with_what_is_streamed():
    task = task_of(as_lazy_tensor(Counting()), w=np.linspace(0, 1, 40)).with_roles(weight="w")
    for settings in ({"batch_sampler": t_sampler("balanced", batch_size=6), "batch_size": UNSET}, {}):
        found = [
            as_learner(network(loader=loader, engine="autograd", **settings)).train(task).predict(task).prob
            for loader in ("resident", "stream")
        ]
        assert np.allclose(*found, atol=1e-6)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_cannot_be_read_while_training_says_which(workers):
    def row(k):
        if k == 17:
            raise OSError("the disk is gone")
        return IMAGES[k]

    task = task_of(as_lazy_tensor(row, n=40, keep=False))
    with pytest.raises(DataError, match="cannot be read: OSError: the disk is gone"):
        as_learner(network(loader="stream", num_workers=workers)).train(task)


MODELS = [{"loader": "resident"}, {"loader": "stream"}, {"loader": "stream", "num_workers": 2, "prefetch": 1}]


@pytest.mark.parametrize("settings", [{}, {"shuffle": False}, {"drop_last": True, "batch_size": 7}])
@pytest.mark.parametrize("augmented", [False, True])
def test_the_same_numbers_however_they_are_read(settings, augmented):
    before = [po("augment_random_crop", size=(5, 6), padding=2), po("augment_random_horizontal_flip")] if augmented else []
    task = task_of(as_lazy_tensor(Counting()))
    found = []
    for how in MODELS if settings == {} else MODELS[:2]:
        model = network(*before, **settings, **how, measures_valid=["classif.logloss"], engine="autograd")
        learner = as_learner(model, validate=0.3).train(task)
        found.append([learner.predict(task).prob, *(learner.history[n] for n in ("train.loss", "valid.classif.logloss"))])
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert np.array_equal(one, other)


def test_augmentation_draws_anew_in_each_epoch_by_the_seed_and_not_when_predicting():
    seen = []

    def noise(x):
        seen.append(torch.rand(()).item())
        return x + torch.rand_like(x)

    task, state = task_of(as_lazy_tensor(IMAGES)), torch.get_rng_state()
    learner = as_learner(network(po("augment_fn", fn=noise), batch_size=20, epochs=2)).train(task)
    drawn = seen[-4:]
    assert len(set(drawn)) == 4
    assert torch.equal(torch.get_rng_state(), state)
    as_learner(network(po("augment_fn", fn=noise), batch_size=20, epochs=2)).train(task)
    assert seen[-4:] == drawn
    as_learner(network(po("augment_fn", fn=noise), batch_size=20, epochs=2, seed=2)).train(task)
    assert not set(seen[-4:]) & set(drawn)
    number = len(seen)
    assert np.array_equal(learner.predict(task).prob, learner.predict(task).prob)
    assert len(seen) == number


@pytest.mark.slow
def test_operators_on_tables_pass_tensors_on_or_refuse_them():
    columns = {"image": as_lazy_tensor(Counting()), "number": np.linspace(0, 1, 40), "text": ["u", "v"] * 20}
    for task in (as_task_classif({**columns, "y": LABELS}, target="y"), as_task_regr({**columns, "y": range(40)}, target="y")):
        for node in (example(po, key) for key in KEYS["po"] if not key.startswith(("trafo_", "augment_", "torch_"))):
            if not all(c.train.startswith("Task") for c in node.inputs):
                continue
            given = [task] * sum(2 if c.many else 1 for c in node.inputs)
            try:
                outputs, state = node.train(given)
                outputs = [*outputs, *node.predict(given, state)]
            except PipeOpsError:
                continue
            for out in (out for out in outputs if hasattr(out, "feature_types") and not node.changes_rows):
                for name in (name for name, kind in out.feature_types.items() if kind == "tensor"):
                    assert torch.equal(out.tensor(name), IMAGES[out.row_ids]), node


def test_a_benchmark_knows_the_same_tensors_again_and_others_apart(tmp_path):
    learner = as_learner(network(epochs=1, seed=None), id="network")

    def run(column):
        grid = benchmark_grid([task_of(column)], [learner], [rsmp("holdout")])
        return benchmark(grid, measures="classif.logloss", seed=1, path=tmp_path).aggregate()["classif.logloss"][0]

    def stored():
        return len(list(tmp_path.glob("*.safetensors")))

    first = run(as_lazy_tensor(Counting()))
    count = stored()
    with pytest.warns(match="cannot be told whether the tensors of 'image'"):
        run(as_lazy_tensor(Locked()))
    assert stored() == count
    assert run(as_lazy_tensor(lambda row: IMAGES[row], n=40)) == first
    assert run(as_lazy_tensor(lambda row: IMAGES[row], n=40)) == first
    assert stored() == count + 1
    run(IMAGES.numpy())
    run(IMAGES.numpy() + 1)
    assert stored() == count + 3
