"""Compiled networks beside the same layers written by hand: weights, names, code, copies, and what is imported."""

import copy
import pickle
import subprocess
import sys
import textwrap

import pytest
import torch

import pipeops.net.layers.table  # noqa: F401 - registers the rows
from pipeops import Graph, nn, po
from pipeops.errors import ConfigError
from pipeops.net import Spec, Symbol, compile_network
from pipeops.net.network.blueprint import from_topology, topology

WIDE = po("torch_ingress_num") >> nn("linear", out_features=8) >> nn("batch_norm1d") >> nn("relu") >> nn("head")
FORK = (
    po("torch_ingress_num")
    >> [nn("linear", out_features=3) >> nn("relu"), nn("linear", id="skip", out_features=3)]
    >> nn("merge_sum")
    >> nn("dropout", p=0.5)
    >> nn("head")
)


def network_of(graph, task, seed=0):
    symbol = graph.train(task).symbol
    torch.manual_seed(seed)
    return compile_network(symbol)


def inputs_of(graph, task):
    return [source.tensor() for source in graph.predict(task).sources.values()]


def test_weights_are_those_of_handwritten_torch(binary):
    network = network_of(WIDE, binary, seed=7)
    torch.manual_seed(7)
    by_hand = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    names = ["linear.weight", "linear.bias"]
    names += [f"batch_norm1d.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]
    assert list(network.state_dict()) == [*names, "head.weight", "head.bias"]
    for ours, theirs in zip(network.state_dict().values(), by_hand.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    x = torch.randn(5, 2)
    assert torch.equal(network(x), by_hand(x))
    assert network.head.out_features == 1


def test_modules_are_made_in_the_order_of_the_graph(binary):
    network = network_of(FORK, binary, seed=3)
    torch.manual_seed(3)
    first, skip, head = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
    assert torch.equal(network.linear.weight, first.weight)
    assert torch.equal(network.skip.weight, skip.weight)
    assert torch.equal(network.head.weight, head.weight)


def test_code_reads_like_torch(binary):
    lines = [line.split(";")[0].strip() for line in network_of(FORK, binary).code.strip().splitlines()]
    assert lines == [
        "def forward(self, torch_ingress_num):",
        "linear = self.linear(torch_ingress_num)",
        "relu = self.relu(linear)",
        "skip = self.skip(torch_ingress_num)",
        "merge_sum = self.merge_sum(relu, skip)",
        "dropout = self.dropout(merge_sum)",
        "head = self.head(dropout)",
        "return head",
    ]


def test_branches_share_their_ancestor_once(binary):
    network = network_of(FORK, binary)
    symbol = FORK.train(binary).symbol
    assert [s.id for s in symbol.ancestors()] == ["torch_ingress_num", "linear", "relu", "skip", "merge_sum", "dropout", "head"]
    assert len(list(network.parameters())) == 6


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_keep_weights_and_are_apart(binary, copied):
    network = network_of(FORK, binary).eval()
    twin = copied(network)
    x = inputs_of(FORK, binary)
    assert torch.equal(twin(*x), network(*x))
    with torch.no_grad():
        twin.head.bias += 1
    assert not torch.equal(twin(*x), network(*x))


def test_topology_goes_to_plain_records_and_back(binary):
    symbol = FORK.train(binary).symbol
    records = topology(symbol)
    assert records[3] == {
        "id": "skip", "key": "linear", "arguments": {"in_features": 2, "out_features": 3, "bias": True},
        "inputs": ["torch_ingress_num"], "shape": [None, 3], "dtype": "float32", "levels": None,
    }  # fmt: skip
    again = from_topology(records, 100)
    assert topology(again) == records
    network, twin = compile_network(symbol).eval(), compile_network(again).eval()
    twin.load_state_dict(network.state_dict())
    x = inputs_of(FORK, binary)
    assert torch.equal(twin(*x), network(*x))


def test_export_and_compile_take_it(binary):
    network = network_of(FORK, binary).eval()
    x = inputs_of(FORK, binary)
    exported = torch.export.export(network, tuple(x)).module()
    assert torch.equal(exported(*x), network(*x))
    compiled = torch.compile(network, backend="eager")
    assert torch.equal(compiled(*x), network(*x))


def test_a_module_that_cannot_be_made_names_its_node():
    spec = Spec("group_norm", torch.nn.GroupNorm, {"num_groups": 2, "num_channels": 3})
    with pytest.raises(ConfigError, match="norm: its module cannot be made"):
        compile_network(Symbol("norm", spec, (Symbol("x", None, (), (None, 3)),), (None, 3)))


def test_a_repeated_layer_has_weights_of_its_own(binary):
    node = nn("linear", out_features=4)
    network = network_of(po("torch_ingress_num") >> node >> node >> nn("head"), binary)
    assert list(network.state_dict())[:4] == ["linear.weight", "linear.bias", "linear_2.weight", "linear_2.bias"]


def test_changing_a_hyperparameter_changes_the_network(binary):
    graph = WIDE.copy()
    graph.params["linear.out_features"] = 3
    assert network_of(graph, binary).head.in_features == 3
    assert isinstance(graph, Graph)
    assert network_of(WIDE, binary).head.in_features == 8


def _run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, timeout=120, check=True
    ).stdout.split()


def test_an_everyday_network_imports_no_compiler():
    printed = _run("""
        import sys
        import torch
        from pipeops import as_task_classif, chain, nn, po
        from pipeops.net import compile_network
        task = as_task_classif({"x": [1.0, 2.0], "y": ["a", "b"]}, target="y")
        layers = [nn("linear", out_features=4), nn("batch_norm1d"), nn("relu"), nn("dropout"), nn("head")]
        graph = chain([po("torch_ingress_num"), *layers])
        compile_network(graph.train(task).symbol)(torch.zeros(2, 1))
        print("torch._dynamo" in sys.modules, "sympy" in sys.modules)
    """)
    assert printed == ["False", "False"]


def test_own_layers_travel_to_another_process(tmp_path):
    cloudpickle = pytest.importorskip("cloudpickle")

    class Scaled(torch.nn.Module):
        def __init__(self, in_features: int, factor: float = 2.0):
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return x * self.factor

    from pipeops.net import last, layer

    layer("scaled_far", Scaled, in_features=last)
    try:
        path = tmp_path / "graph.pkl"
        path.write_bytes(cloudpickle.dumps(nn("scaled_far", factor=3.0) >> nn("linear", out_features=2)))
    finally:
        del nn._holders["scaled_far"]
    printed = _run(
        """
        import pickle, sys
        graph = pickle.load(open(sys.argv[1], "rb"))
        print(graph["scaled_far"].shape_out((None, 3)), graph["scaled_far"].factor, graph["linear"].out_features, sep=";")
        """,
        str(path),
    )
    assert "".join(printed) == "(None,3);3.0;2"
