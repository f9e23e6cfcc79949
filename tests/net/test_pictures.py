"""Tasks of images: read from small files in the formats of the public ones, downloaded once, or shipped."""

import gzip
import io
import tarfile
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeops import as_lazy_tensor, tsk
from pipeops.errors import DataError
from pipeops.net.tensors import downloads, pictures
from pipeops.net.tensors.downloads import Remote


@pytest.fixture
def places(monkeypatch, tmp_path):
    """No data and an empty cache; nothing is fetched."""
    monkeypatch.setenv("PIPEOPS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PIPEOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads.urllib.request, "urlopen", _offline)
    return tmp_path


def _offline(*args, **kwargs):
    raise urllib.error.URLError("no network here")


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


def write(folder: Path, name: str, raw: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(raw)


def picture(seed, mode="RGB", size=(64, 64)):
    values = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).convert(mode).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("name", "levels"), [("mnist", "0123456789"), ("fashion_mnist", pictures.CLOTHES)])
@pytest.mark.parametrize("packed", [True, False])
def test_idx_files(places, name, levels, packed):
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (12, 5))
    labels = [np.arange(n, dtype=np.uint8) % 10 for n in (12, 5)]
    for file, array in zip(pictures.IDX, [train, labels[0], test, labels[1]], strict=True):
        raw = idx(array)
        write(places / "data" / name, file if packed else file[:-3], gzip.compress(raw) if packed else raw)
    task = tsk(name)
    assert (task.nrow, task.feature_names, task.target_name, task.id) == (17, ["image"], "label", name)
    assert task.class_names == list(levels)
    assert task.truth()[13] == levels[1]
    assert np.array_equal(task.tensor("image", [3, 14]).numpy(), np.stack([train[3], test[2]])[:, None])
    assert task.data(columns=["split"])["split"].to_list() == ["train"] * 12 + ["test"] * 5


def test_what_is_no_idx_file_is_refused(places):
    for raw, message in ((b"text", "no IDX file"), (idx(np.zeros((2, 2), np.uint8))[:-1], "not whole")):
        write(places, "file", raw)
        with pytest.raises(DataError, match=message):
            pictures.idx(places / "file")


def test_cifar(places):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    codes = np.arange(12, dtype=np.uint8) % 3
    records = [bytes([code]) + image.tobytes() for code, image in zip(codes, images, strict=True)]
    ten, hundred = places / "cache" / "cifar10" / "cifar-10-batches-bin", places / "cache" / "cifar100" / "cifar-100-binary"
    for k in range(5):
        write(ten, f"data_batch_{k + 1}.bin", b"".join(records[2 * k : 2 * k + 2]))
    write(ten, "test_batch.bin", b"".join(records[10:]))
    write(ten, "batches.meta.txt", b"cat\ndog\nship\n\n")
    task = tsk("cifar10")
    assert (task.nrow, task.class_names, task.truth()[11]) == (12, ["cat", "dog", "ship"], "ship")
    assert np.array_equal(task.tensor("image").numpy(), images)
    write(hundred, "train.bin", b"".join(b"\x07" + record for record in records[:9]))
    write(hundred, "test.bin", b"".join(b"\x07" + record for record in records[9:]))
    write(hundred, "fine_label_names.txt", b"a\nb\nc\n")
    assert tsk("cifar100").truth().tolist() == ["a", "b", "c"] * 4
    write(ten, "test_batch.bin", records[10][:-1])
    with pytest.raises(DataError, match="not whole"):
        tsk("cifar10")


def test_tiny_imagenet(places):
    folder = places / "data" / "tiny_imagenet" / "tiny-imagenet-200"
    write(folder, "wnids.txt", b"n1\nn2\n")
    write(folder, "words.txt", b"n1\tgoldfish\nn2\tcrane\nn3\tother\n")
    for k, wnid in enumerate(["n1", "n2"]):
        for i in range(2):
            write(folder, f"train/{wnid}/images/{wnid}_{i}.JPEG", picture(2 * k + i, "L" if i else "RGB"))
    write(folder, "val/images/val_0.JPEG", picture(9))
    write(folder, "val/val_annotations.txt", b"val_0.JPEG\tn2\t0\t0\t62\t62\n")
    task = tsk("tiny_imagenet")
    assert task.truth().tolist() == ["goldfish", "goldfish", "crane", "crane", "crane"]
    assert task.tensor("image").shape == (5, 3, 64, 64)
    assert np.array_equal(task.tensor("image", [4])[0].permute(1, 2, 0).numpy(), np.array(Image.open(io.BytesIO(picture(9)))))


def test_melanoma(places):
    folder = places / "data" / "melanoma" / "ISIC_2020_small"
    head = "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,benign_malignant,file_name\n"
    rows = [f"i{k},p{k // 2},male,{40 + k},torso,{'malignant' if k == 2 else 'benign'},train/i{k}.png\n" for k in range(4)]
    write(folder, "ISIC_2020_Training_GroundTruth_v2.csv", (head + "".join(rows)).encode())
    for k in range(4):
        write(folder, f"train/i{k}.png", picture(k, size=(128, 128)))
    task = tsk("melanoma")
    assert (task.nrow, task.positive, task.properties) == (4, "malignant", ["twoclass", "groups"])
    assert sorted(task.feature_names) == ["age_approx", "anatom_site_general_challenge", "image", "sex"]
    assert task.tensor("image").shape == (4, 3, 128, 128)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100", "tiny_imagenet", "melanoma"])
def test_offline_says_what_to_put_where(places, name):
    with pytest.raises(DataError, match=f"neither in \\$PIPEOPS_DATA/{name} nor in .*no network here.*Put .* there, from http"):
        tsk(name)
    assert list((places / "cache" / name).iterdir()) == []


def test_downloaded_once_checked_and_unpacked(places, monkeypatch):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("inside/file.txt")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"hi"))
    fetched = []

    def answer(url, timeout):
        fetched.append(url)
        return io.BytesIO(archive.getvalue())

    monkeypatch.setattr(downloads.urllib.request, "urlopen", answer)
    remote = Remote("a.tar.gz", "http://example.org/a.tar.gz", unpacked="inside")
    for _ in range(2):
        assert (downloads.located("demo", remote) / "file.txt").read_text() == "hi"
    assert fetched == ["http://example.org/a.tar.gz"]
    assert [path.name for path in (places / "cache" / "demo").iterdir()] == ["inside"]
    with pytest.raises(DataError, match="MD5"):
        downloads.located("demo", Remote("b", "http://example.org/b", md5="0" * 32))


def test_shipped():
    iris, digits = tsk("lazy_iris"), tsk("digits_images")
    assert (iris.nrow, iris.feature_types, iris.class_names) == (150, {"x": "tensor"}, ["setosa", "versicolor", "virginica"])
    assert iris.tensor("x", [0])[0].tolist() == pytest.approx([5.1, 3.5, 1.4, 0.2])
    assert torch.equal(digits.tensor("image")[5].flatten(), torch.from_numpy(tsk("digits").matrix()[5]))
    assert digits.class_names == list(range(10))


def test_files_and_folders_of_images(tmp_path):
    for k, mode in enumerate(["RGB", "L", "1"]):
        write(tmp_path, f"{mode}/{k}.png", picture(k, mode, (4, 3)))
    write(tmp_path, "notes.txt", b"no image")
    grays = as_lazy_tensor([tmp_path / "L" / "1.png", tmp_path / "1" / "2.png"])
    assert grays.shape == (None, 1, 3, 4)
    assert as_lazy_tensor(tmp_path / "RGB").shape == (None, 3, 3, 4)
    assert len(as_lazy_tensor(tmp_path, shape=(None, None, 3, 4))) == 3
    lengths = as_lazy_tensor(sorted(tmp_path.rglob("*.png")), read=lambda path: torch.tensor([Path(path).stat().st_size]))
    assert lengths.shape == (None, 1)
    for missing, message in (("nothing", "no folder"), ("empty", "no images")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(DataError, match=message):
            as_lazy_tensor(tmp_path / missing)
