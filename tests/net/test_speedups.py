"""Half precision beside torch's own in a loop by hand; compiled networks, and the way back where compiling fails."""

import by_hand
import pytest
import torch

from pipeops import as_learner, t_clbk
from pipeops.errors import ConfigError

INPUT, TARGET = torch.tensor(by_hand.X), torch.tensor(by_hand.Y).float().unsqueeze(1)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_numbers_are_those_of_autocast(precision):
    learner, network = by_hand.trained([t_clbk("clip_grad_norm", max_norm=1.0)], epochs=3, precision=precision)
    optimizer, scaler = torch.optim.Adam(network.parameters(), lr=0.02), torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    for _ in range(3):
        for x, y in zip(INPUT.split(16), TARGET.split(16), strict=True):
            with torch.autocast("cpu", {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]):
                loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    by_hand.close(learner.network, network, rtol=1e-3, atol=1e-3)
    assert {p.dtype for p in learner.network.parameters()} == {torch.float32}
    assert learner.model["torch_model_classif"].engine == "autograd"


def test_half_precision_is_resumed(tmp_path):
    def made(folder, epochs):
        checkpoint = t_clbk("checkpoint", path=str(tmp_path / folder))
        graph = by_hand.graph([checkpoint], epochs=epochs, precision="fp16", resume=True, shuffle=True)
        return as_learner(graph).train(by_hand.TASK)

    made("broken", 2)
    for a, b in zip(made("whole", 4).network.parameters(), made("broken", 4).network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_refused_with_fp16():
    for callbacks, optimizer in (([t_clbk("accumulate", batches=2)], "adam"), ([], "lbfgs")):
        with pytest.raises(ConfigError, match='precision="fp16".*use "bf16"'):
            by_hand.trained(callbacks, optimizer, precision="fp16")


def test_a_compiled_network_is_called(monkeypatch):
    calls = []

    def compile(network):
        return lambda *inputs: calls.append(1) or network(*inputs)

    plain, _ = by_hand.trained([], engine="autograd")
    monkeypatch.setattr(torch, "compile", compile)
    learner, _ = by_hand.trained([], compile=True)
    assert len(calls) == 6 * 4
    assert torch.equal(learner.network.head.weight, plain.network.head.weight)


def test_where_compiling_fails_the_network_is_trained_as_it_is(monkeypatch):
    def compile(network):
        def call(*inputs):
            raise RuntimeError("no compiler here\nand more")

        return call

    plain, _ = by_hand.trained([], engine="autograd")
    monkeypatch.setattr(torch, "compile", compile)
    with pytest.warns(UserWarning, match="trains without compile: RuntimeError: no compiler here$"):
        learner, _ = by_hand.trained([], compile=True)
    assert torch.equal(learner.network.head.weight, plain.network.head.weight)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_torch_compile():
    plain, _ = by_hand.trained([])
    learner, _ = by_hand.trained([], compile=True)
    by_hand.close(learner.network, plain.network)
