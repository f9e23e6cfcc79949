"""The machine: one place knows devices, generators and threads, and gives back what it took."""

import re
from pathlib import Path

import pytest
import torch

import pipeops.net
from pipeops.errors import ConfigError
from pipeops.net.training.machine import SHARED, Machine, drawing, machine_for, unplaced

ROOT = Path(pipeops.net.__file__).parent
ASKED = re.compile(
    r"torch\.(device|manual_seed|seed|[sg]et_num_threads|set_default_dtype)\(|torch\.(cuda|random|default_generator)\b"
)


def test_nothing_else_asks_torch_for_devices_seeds_or_threads():
    asking = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if ASKED.search(path.read_text())}
    assert asking == {"training/machine.py"}


def test_training_is_seeded_as_torch_is_and_gives_back():
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with Machine(threads=2, seed=11).training():
        assert torch.get_num_threads() == 2
        assert torch.is_grad_enabled()
        drawn = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(11)))


def test_drawing_draws_from_a_generator_of_ones_own():
    own, same = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    before = SHARED.get_state()
    with drawing(own):
        first = torch.nn.functional.dropout(torch.ones(50))
    with drawing(own):
        second = torch.rand(4)
    assert torch.equal(first != 0, torch.empty(50).bernoulli_(0.5, generator=same) != 0)
    assert torch.equal(second, torch.rand(4, generator=same))
    SHARED.set_state(before)


def test_things_are_placed():
    machine, loss = Machine(), torch.nn.functional.mse_loss
    assert machine.is_cpu
    assert machine.place(loss) is loss
    layer, tensor = torch.nn.Linear(2, 1), torch.ones(2)
    assert machine.place(layer) is layer
    assert machine.place(tensor) is tensor
    with unplaced():
        assert torch.ones(2).is_meta
    assert not torch.ones(2).is_meta


def test_predicting_has_no_gradients_and_float32():
    torch.set_default_dtype(torch.float64)
    try:
        with Machine().predicting():
            assert not torch.is_grad_enabled()
            assert torch.ones(1).dtype is torch.float32
        assert torch.ones(1).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="model: no device 'gpu'"):
        machine_for("gpu", 1, "model")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="model: the device 'cuda' is not available here"):
            machine_for("cuda", 1, "model")
    assert machine_for("cpu", 2, "model", 7) == Machine(torch.device("cpu"), 2, 7)
