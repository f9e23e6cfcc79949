"""Tasks with a column of images: `tsk("mnist")` and its like, read from their files (see `downloads`), and two that ship.

Images are uint8 `(channels, height, width)` unless said otherwise; a column `split` says which rows are for training and which
for a test, and has no role. Neighbours: `sources` makes the columns; `data/datasets` has the tables.
"""

import functools
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeops.data import TaskClassif, as_task_classif
from pipeops.errors import DataError
from pipeops.net.tensors.downloads import Remote, located
from pipeops.net.tensors.image_files import Files, read_image
from pipeops.net.tensors.sources import as_lazy_tensor
from pipeops.shorthand import tsk

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
IDX = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
SUMS = {
    MNIST: (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    FASHION: (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
}
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
KRIZ = "https://www.cs.toronto.edu/~kriz/"
CIFAR10 = Remote(
    "cifar-10-binary.tar.gz", f"{KRIZ}cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-batches-bin"
)
CIFAR100 = Remote(
    "cifar-100-binary.tar.gz", f"{KRIZ}cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", "cifar-100-binary"
)
TINY = Remote(
    "tiny-imagenet-200.zip",
    "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    "90528d7ca1a48142e341f4ef8d21d0de",
    "tiny-imagenet-200",
)
MELANOMA = Remote(
    "hf_ISIC_2020_small.tar.gz",
    "https://huggingface.co/datasets/carsonzhang/ISIC_2020_small/resolve/main/hf_ISIC_2020_small.tar.gz",
    unpacked="ISIC_2020_small",
)


def _enum(codes: Sequence[int] | np.ndarray, levels: Sequence[str]) -> Any:
    import polars as pl

    return pl.Series([levels[code] for code in codes], dtype=pl.Enum(list(levels)))


def idx(path: Path) -> np.ndarray:
    """An array from a file of the IDX format (LeCun), packed by gzip or not.

    Raises DataError for what is no such file.
    """
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise DataError(f"{path} is no IDX file of bytes.")
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    if len(raw) != 4 + 4 * raw[3] + int(shape.prod()):
        raise DataError(f"{path} is not whole: it has {len(raw)} bytes and says that it holds {tuple(shape.tolist())}.")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def _idx_task(name: str, base: str, levels: Sequence[str]) -> TaskClassif:
    files = [located(name, Remote(file, base + file, md5)) for file, md5 in zip(IDX, SUMS[base], strict=True)]
    train, labels, test, others = map(idx, files)
    return _split_task(name, "label", np.concatenate([train, test])[:, None], [*labels, *others], levels, len(train))


def _split_task(
    name: str, target: str, images: np.ndarray, codes: Sequence[int], levels: Sequence[str], train: int
) -> TaskClassif:
    """A task of images in memory, of which the first are for training."""
    split = ["train"] * train + ["test"] * (len(images) - train)
    columns = {"image": as_lazy_tensor(images), target: _enum(codes, levels), "split": split}
    return as_task_classif(columns, target=target, id=name).select(["image"])


@tsk.add("mnist")
def mnist() -> TaskClassif:
    """Handwritten digits, (1, 28, 28). 70000 rows, target label; the first 60000 are for training (LeCun et al., 1998)."""
    return _idx_task("mnist", MNIST, [str(digit) for digit in range(10)])


@tsk.add("fashion_mnist")
def fashion_mnist() -> TaskClassif:
    """Pieces of clothing, (1, 28, 28). 70000 rows, target label; the first 60000 are for training (Xiao et al., 2017)."""
    return _idx_task("fashion_mnist", FASHION, CLOTHES)


def _cifar(folder: Path, files: Sequence[str], labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels; a record has so many bytes of labels, of which the last counts."""
    width = labels + 3 * 32 * 32
    raw = np.concatenate([np.fromfile(folder / file, dtype=np.uint8) for file in files])
    if len(raw) % width or not len(raw):
        raise DataError(f"{folder}: its files are not whole; delete the folder, and it is downloaded anew.")
    records = raw.reshape(-1, width)
    return records[:, labels:].reshape(-1, 3, 32, 32), records[:, labels - 1]


def _cifar_task(name: str, remote: Remote, train: Sequence[str], test: str, names: str, labels: int) -> TaskClassif:
    folder = located(name, remote)
    (images, codes), (others, more) = _cifar(folder, train, labels), _cifar(folder, [test], labels)
    levels = [line.strip() for line in (folder / names).read_text().splitlines() if line.strip()]
    return _split_task(name, "class", np.concatenate([images, others]), [*codes, *more], levels, len(images))


@tsk.add("cifar10")
def cifar10() -> TaskClassif:
    """Small pictures, (3, 32, 32). 60000 rows, target class with 10 classes; 50000 are for training (Krizhevsky, 2009)."""
    train = [f"data_batch_{k}.bin" for k in range(1, 6)]
    return _cifar_task("cifar10", CIFAR10, train, "test_batch.bin", "batches.meta.txt", 1)


@tsk.add("cifar100")
def cifar100() -> TaskClassif:
    """Small pictures, (3, 32, 32). 60000 rows, target class with 100 classes; 50000 are for training (Krizhevsky, 2009)."""
    return _cifar_task("cifar100", CIFAR100, ["train.bin"], "test.bin", "fine_label_names.txt", 2)


@tsk.add("tiny_imagenet")
def tiny_imagenet() -> TaskClassif:
    """A part of ImageNet, (3, 64, 64), by Pillow (extra `images`). 110000 rows, target class; 100000 are for training."""
    folder = located("tiny_imagenet", TINY)
    words = dict(line.split("\t", 1) for line in (folder / "words.txt").read_text().splitlines())
    ids = (folder / "wnids.txt").read_text().split()
    train = [(path, wnid) for wnid in ids for path in sorted((folder / "train" / wnid / "images").glob("*.JPEG"))]
    rows = [line.split("\t")[:2] for line in (folder / "val" / "val_annotations.txt").read_text().splitlines()]
    valid = [(folder / "val" / "images" / name, wnid) for name, wnid in rows]
    levels = [words.get(wnid, wnid) for wnid in ids]
    levels = [f"{level} ({wnid})" if levels.count(level) > 1 else level for level, wnid in zip(levels, ids, strict=True)]
    files = Files([path for path, _ in (*train, *valid)], functools.partial(read_image, mode="RGB"))
    columns = {
        "image": as_lazy_tensor(files),
        "class": _enum([ids.index(wnid) for _, wnid in (*train, *valid)], levels),
        "split": ["train"] * len(train) + ["valid"] * len(valid),
    }
    return as_task_classif(columns, target="class", id="tiny_imagenet").select(["image"])


@tsk.add("melanoma")
def melanoma() -> TaskClassif:
    """Moles, (3, 128, 128), by Pillow (extra `images`), with sex, place and age. 32701 rows, target outcome, positive malignant.

    The images of a patient are a group (Rotemberg et al., 2021).
    """
    import polars as pl

    folder = located("melanoma", MELANOMA)
    table = pl.read_csv(folder / "ISIC_2020_Training_GroundTruth_v2.csv", null_values=["NA", ""])
    files = Files([folder / name for name in table["file_name"]], functools.partial(read_image, mode="RGB"))
    columns = ["sex", "anatom_site_general_challenge", "age_approx", "patient_id"]
    frame = {**{name: table[name] for name in columns}, "outcome": table["benign_malignant"], "image": as_lazy_tensor(files)}
    return as_task_classif(frame, target="outcome", positive="malignant", id="melanoma").with_roles(group="patient_id")


@tsk.add("lazy_iris")
def lazy_iris() -> TaskClassif:
    """Iris flowers, whose four numbers are one column of tensors, x. 150 rows, target Species with three classes."""
    iris: Any = tsk("iris")
    x = as_lazy_tensor(torch.from_numpy(iris.matrix()))
    return as_task_classif({"x": x, "Species": iris.target_series().to_native()}, target="Species", id="lazy_iris")


@tsk.add("digits_images")
def digits_images() -> TaskClassif:
    """Handwritten digits as images, real numbers from 0 to 16, (1, 8, 8). 1797 rows, target digit with ten integer classes."""
    digits: Any = tsk("digits")
    images = torch.from_numpy(digits.matrix()).reshape(-1, 1, 8, 8)
    return as_task_classif({"image": as_lazy_tensor(images), "digit": digits.truth()}, target="digit", id="digits_images")
