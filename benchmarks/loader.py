"""Training on image files read in each epoch, beside a plain `DataLoader` over the same files and a loop written by hand.

Run `python benchmarks/loader.py [files] [rounds] [workers]`. One thread; the median of paired ratios, whole training with
set-up. Both decode by Pillow, normalize in the process that reads, shuffle, and train the same small network with Adam.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeops import as_lazy_tensor, as_learner, as_task_classif, nn, po
from pipeops.net.tensors.image_files import read_image

EPOCHS, BATCH, BAR = 3, 32, 1.05


class Normalized(torch.utils.data.Dataset):
    """What one would write: read, normalize, and the label."""

    def __init__(self, paths: list[Path], labels: torch.Tensor):
        self.paths, self.labels = paths, labels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        return (read_image(self.paths[row]).float() - 127.5) / 50, self.labels[row]


def by_hand(paths: list[Path], labels: torch.Tensor, workers: int) -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.LazyLinear(1)
    )
    network(torch.zeros(1, 3, 64, 64))
    optimizer, loss_of = torch.optim.Adam(network.parameters()), torch.nn.BCEWithLogitsLoss()
    loader = torch.utils.data.DataLoader(
        Normalized(paths, labels), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    for _ in range(EPOCHS):
        for x, y in loader:
            optimizer.zero_grad()
            loss_of(network(x), y).backward()
            optimizer.step()


def by_graph(paths: list[Path], labels: torch.Tensor, workers: int) -> None:
    column = as_lazy_tensor(list(map(str, paths)), keep=False)
    task = as_task_classif({"image": column, "y": labels[:, 0].numpy().astype(int)}, target="y")
    graph = (
        po("trafo_normalize", mean=127.5, std=50.0)
        >> po("torch_ingress_ltnsr")
        >> nn("conv2d", out_channels=8, kernel_size=3)
        >> nn("relu")
        >> nn("max_pool2d", kernel_size=2)
        >> nn("flatten")
        >> nn("head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer", optimizer="adam")
        >> po("torch_model_classif", epochs=EPOCHS, batch_size=BATCH, seed=1, loader="stream", num_workers=workers)
    )
    as_learner(graph).train(task)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(files: int = 1000, rounds: int = 5, workers: int = 0) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{k:05}.png") for k in range(files)]
        for path in paths:
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
        labels = torch.from_numpy(rng.integers(0, 2, (files, 1)).astype(np.float32))
        by_graph(paths[:64], labels[:64], 0)
        ratios = [
            seconds(lambda: by_graph(paths, labels, workers)) / seconds(lambda: by_hand(paths, labels, workers))
            for _ in range(rounds)
        ]
    print(f"{files} files, {EPOCHS} epochs, {workers} workers: {statistics.median(ratios):.2f} (bar {BAR})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
