"""What trafo_ and augment_ nodes make of tensors, beside numpy, Pillow and kornia, or worked out by hand."""

import kornia
import numpy as np
import pytest
import torch
from PIL import Image

from pipeops import as_lazy_tensor, as_task_classif, po
from pipeops.errors import ConfigError, DataError, PipeOpsError
from pipeops.keys import KEYS
from pipeops.net import Trafo
from pipeops.ops import operator
from pipeops.testing import example, tensor_tasks

X = torch.rand((6, 3, 7, 9), generator=torch.Generator().manual_seed(1))
BYTES = (X * 255).to(torch.uint8)


def made(key, x=X, seed=0, **arguments):
    return po(key, **arguments).transform(x, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("mode", "name"), [("constant", "constant"), ("edge", "edge"), ("reflect", "reflect"), ("symmetric", "symmetric")]
)
@pytest.mark.parametrize("padding", [0, 2, (1, 3), (0, 1, 4, 2), (6, 5, 1, 0)])
def test_pad_as_numpy_does(mode, name, padding):
    left, top, right, bottom = [padding] * 4 if isinstance(padding, int) else [*padding] * (4 // len(padding))
    options = {"constant_values": 0.5} if mode == "constant" else {}
    expected = np.pad(X.numpy(), ((0, 0), (0, 0), (top, bottom), (left, right)), mode=name, **options)
    assert np.array_equal(made("trafo_pad", padding=padding, padding_mode=mode, fill=0.5).numpy(), expected)


def test_pad_cuts_and_refuses():
    assert torch.equal(made("trafo_pad", padding=(-1, -2)), X[..., 2:-2, 1:-1])
    for arguments in ({"padding": -4}, {"padding": 9, "padding_mode": "reflect"}, {"padding": 10, "padding_mode": "symmetric"}):
        with pytest.raises(DataError, match="trafo_pad"):
            made("trafo_pad", **arguments)
    with pytest.raises(ConfigError, match="'padding'"):
        made("trafo_pad", padding=(1, 2, 3))


def test_normalize_by_number_and_by_channel():
    mean, std = [0.1, 0.2, 0.3], [0.5, 1.0, 2.0]
    expected = (X.numpy() - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert np.allclose(made("trafo_normalize", mean=mean, std=std), expected, atol=1e-6)
    assert np.allclose(made("trafo_normalize", x=BYTES, mean=127.5, std=255), BYTES.numpy() / 255 - 0.5, atol=1e-6)
    with pytest.raises(DataError, match="2 values"):
        made("trafo_normalize", mean=[1, 2], std=1)
    with pytest.raises(ConfigError, match="above 0"):
        made("trafo_normalize", mean=0, std=0)


@pytest.mark.parametrize("size", [(3, 5), (14, 4), 4, 20])
@pytest.mark.parametrize(("mode", "filter"), [("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)])
def test_resize_as_pillow_does(size, mode, filter):
    found = made("trafo_resize", x=BYTES, size=size, interpolation=mode)
    height, width = size if isinstance(size, tuple) else (size, int(size * 9 / 7))
    for image, row in zip(BYTES, found, strict=True):
        expected = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((width, height), filter)
        apart = np.abs(row.permute(1, 2, 0).numpy().astype(int) - np.array(expected).astype(int))
        assert apart.max() <= (2 if mode == "bilinear" else 32)  # Pillow cuts off between its two passes
        assert apart.mean() < 0.6
    assert found.dtype == torch.uint8


def test_colours_by_formula_and_as_kornia_has_them():
    gray = (X * torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    assert torch.allclose(made("trafo_rgb_to_grayscale"), gray)
    assert torch.allclose(made("trafo_grayscale", num_output_channels=3), gray.expand(-1, 3, -1, -1))
    assert torch.allclose(made("trafo_adjust_brightness", brightness_factor=1.5), (1.5 * X).clamp(0, 1))
    gamma = made("trafo_adjust_gamma", gamma=2.2, gain=0.9)
    assert torch.allclose(gamma, kornia.enhance.adjust_gamma(X, 2.2, 0.9), atol=1e-6)
    saturated = made("trafo_adjust_saturation", saturation_factor=1.7)
    assert torch.allclose(saturated, kornia.enhance.adjust_saturation_with_gray_subtraction(X, 1.7), atol=1e-3)
    red, green = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([0.0, 1, 0]).view(1, 3, 1, 1)
    assert torch.allclose(made("trafo_adjust_hue", x=red, hue_factor=1 / 3), green, atol=1e-5)
    assert torch.allclose(made("trafo_adjust_hue", hue_factor=0.0), X, atol=1e-5)


@pytest.mark.parametrize(
    ("key", "arguments"),
    [
        ("trafo_adjust_brightness", {"brightness_factor": 1.5}),
        ("trafo_adjust_gamma", {"gamma": 0.7}),
        ("trafo_adjust_hue", {"hue_factor": -0.2}),
        ("trafo_adjust_saturation", {"saturation_factor": 0.2}),
        ("trafo_grayscale", {"num_output_channels": 1}),
    ],
)
def test_bytes_are_rounded_numbers_between_0_and_255(key, arguments):
    found = made(key, x=BYTES, **arguments)
    assert found.dtype == torch.uint8
    assert (found.float() / 255 - made(key, x=BYTES.float() / 255, **arguments)).abs().max() < 0.6 / 255


def test_flips_and_crops():
    assert torch.equal(made("augment_hflip"), X.flip(3))
    assert torch.equal(made("augment_vflip"), X.flip(2))
    assert torch.equal(made("augment_crop", top=2, left=1, height=3, width=4), X[:, :, 2:5, 1:5])
    assert torch.equal(made("augment_center_crop", size=(3, 5)), X[:, :, 2:5, 2:7])
    assert torch.equal(made("augment_center_crop", size=(9, 9))[:, :, 1:8], X)
    resized = made("augment_resized_crop", top=2, left=1, height=3, width=4, size=(6, 8))
    assert torch.equal(resized, made("trafo_resize", x=X[:, :, 2:5, 1:5], size=(6, 8)))
    with pytest.raises(DataError, match="augment_crop: a crop of 3 x 4 at \\(5, 1\\)"):
        made("augment_crop", top=5, left=1, height=3, width=4)
    with pytest.raises(DataError, match="trafo_pad"):
        made("augment_random_crop", size=8)


def test_random_flips_take_each_row_by_its_own():
    x = torch.arange(4000 * 2.0).view(4000, 1, 2)
    for key, dim in (("augment_random_horizontal_flip", 2), ("augment_random_vertical_flip", 1)):
        turned = x if dim == 2 else x.transpose(1, 2)
        found = made(key, x=turned, p=0.3)
        flipped = (found == turned.flip(dim)).flatten(1).all(1)
        assert torch.equal(torch.where(flipped.view(-1, 1, 1), turned.flip(dim), turned), found)
        assert abs(flipped.float().mean().item() - 0.3) < 0.03


def test_a_random_crop_is_any_window_of_the_padded_image():
    x = torch.arange(1.0, 17).view(1, 1, 4, 4).expand(600, -1, -1, -1)
    found = made("augment_random_crop", x=x, size=(2, 3), padding=1)
    padded = np.pad(x[0, 0].numpy(), 1)
    windows = {padded[i : i + 2, j : j + 3].tobytes(): (i, j) for i in range(5) for j in range(4)}
    seen = [windows[window.numpy().tobytes()] for window in found[:, 0]]
    assert set(seen) == set(windows.values())
    larger = made("augment_random_crop", x=x, size=(6, 6), pad_if_needed=True)
    assert larger.shape == (600, 1, 6, 6)
    assert torch.equal(larger.amax((1, 2, 3)), torch.full((600,), 16.0))


def test_a_random_resized_crop_keeps_to_scale_and_ratio():
    node = po("augment_random_resized_crop", size=5, scale=(0.2, 0.5), ratio=(0.5, 2.0))
    draws = torch.Generator().manual_seed(0)
    for _ in range(200):
        top, left, height, width = node._box(40, 30, draws)
        assert 0 <= top <= 40 - height
        assert 0 <= left <= 30 - width
        assert 0.17 < height * width / 1200 < 0.53
        assert 0.45 < width / height < 2.2
    assert po("augment_random_resized_crop", size=5, ratio=(4.0, 5.0))._box(40, 4, draws)[2:] == (1, 4)
    whole = made("augment_random_resized_crop", size=(7, 9), scale=(1.0, 1.0), ratio=(9 / 7, 9 / 7))
    assert torch.allclose(whole, X, atol=1e-6)


def test_turning_by_right_angles_is_exact():
    square = X[..., :7]
    assert torch.allclose(made("augment_rotate", x=square, angle=90.0), torch.rot90(square, 1, (2, 3)), atol=1e-6)
    assert torch.allclose(made("augment_rotate", angle=90.0, expand=True), torch.rot90(X, 1, (2, 3)), atol=1e-6)
    turned = made("augment_random_affine", x=square, degrees=(90, 90))
    assert torch.allclose(turned, torch.rot90(square, 1, (2, 3)), atol=1e-6)
    assert torch.allclose(made("augment_rotate", angle=0.0, resample="bilinear"), X, atol=1e-6)
    moved = made("augment_rotate", x=square, angle=180.0, center=(0, 0), fill=0.5)
    assert torch.allclose(moved[..., 0, 0], square[..., 0, 0], atol=1e-6)
    assert torch.allclose(moved[..., 1:, 1:], torch.tensor(0.5))
    with pytest.raises(ConfigError, match="not both"):
        made("augment_rotate", angle=10.0, expand=True, center=(0, 0))


def test_affine_maps_move_and_scale():
    moved = made("augment_random_affine", degrees=0, translate=(0.2, 0.2), fillcolor=-1.0)
    shifts = {(dx, dy) for dx in range(-2, 3) for dy in range(-1, 2)}
    for image, found in zip(X, moved, strict=True):
        assert any(np.allclose(found, np.roll(_filled(image, dx, dy), (dy, dx), (1, 2)), atol=1e-5) for dx, dy in shifts)
    doubled = made("augment_random_affine", x=X[..., 1:], degrees=0, scale=(1.0, 1.0))
    assert torch.allclose(doubled, X[..., 1:], atol=1e-6)
    for arguments, message in (
        ({"degrees": (5, 1)}, "'degrees'"),
        ({"degrees": 1, "translate": 2}, "'translate'"),
        ({"degrees": 1, "scale": (0, 1)}, "'scale'"),
    ):
        with pytest.raises(ConfigError, match=message):
            made("augment_random_affine", **arguments)


def _filled(image, dx, dy):
    """An image whose pixels that will leave it are -1."""
    kept = image.clone()
    height, width = image.shape[1:]
    for column in range(width):
        if not 0 <= column + dx < width:
            kept[:, :, column] = -1
    for row in range(height):
        if not 0 <= row + dy < height:
            kept[:, row] = -1
    return kept


def test_colour_jitter_stays_within_its_bounds():
    x = torch.full((300, 3, 2, 2), 0.4)
    share = made("augment_color_jitter", x=x, brightness=0.5)[:, 0, 0, 0] / 0.4
    assert 0.5 <= share.min() < 0.55
    assert 1.45 < share.max() <= 1.5
    assert torch.allclose(made("augment_color_jitter", x=x, contrast=0.5, saturation=0.5), x, atol=1e-4)
    assert torch.equal(made("augment_color_jitter", x=x), x)
    assert made("augment_color_jitter", hue=0.5).shape == X.shape


def test_one_of_several_and_several_in_some_order():
    several = [po("augment_hflip"), torch.zeros_like]
    found = [made("augment_random_choice", transforms=several, seed=seed) for seed in range(20)]
    assert {torch.equal(f, X.flip(3)) for f in found} == {True, False}
    both = [lambda x: x + 1, lambda x: x * 2]
    sums = {made("augment_random_order", x=torch.ones(1, 1, 1), transforms=both, seed=seed).item() for seed in range(20)}
    assert sums == {3.0, 4.0}
    with pytest.raises(ConfigError, match="'transforms' is a list"):
        made("augment_random_choice", transforms=["augment_hflip"])


RANDOM = [key for key in KEYS["po"] if key.startswith("augment_") and example(po, key).random]


@pytest.mark.parametrize("key", RANDOM)
def test_what_is_random_follows_from_the_generator_alone(key):
    node, x = example(po, key), X[..., :5, :6]
    one, same, other = (node.transform(x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 5))
    assert torch.equal(one, same)
    assert not torch.equal(one, other) or key in ("augment_random_choice", "augment_random_order")


def test_stages_say_when():
    task = tensor_tasks()["lazy"]
    for stages, expected in (("train", (True, False)), ("predict", (False, True)), ("both", (True, True))):
        node = po("trafo_normalize", mean=1.0, std=1.0, stages=stages)
        (trained,), state = node.train([task])
        (predicted,) = node.predict([task], state)
        for found, changed in zip((trained, predicted), expected, strict=True):
            assert torch.equal(found.tensor("image"), task.tensor("image") - float(changed))


def test_columns_behind_one_node_are_augmented_alike():
    image = torch.rand(10, 1, 6, 6)
    task = as_task_classif({"a": as_lazy_tensor(image), "b": as_lazy_tensor(2 * image), "y": ["p", "q"] * 5}, target="y")
    (cropped,), _ = po("augment_random_crop", size=3).train([task])
    assert torch.equal(2 * cropped.tensor("a"), cropped.tensor("b"))


def test_shapes_are_known_and_refused_before_anything_is_read():
    read = []

    def image(row):
        read.append(row)
        return torch.zeros(3, 8, 8)

    task = as_task_classif({"x": as_lazy_tensor(image, n=6, shape=(None, 3, None, 8)), "y": ["p", "q"] * 3}, target="y")
    read.clear()
    for node, shape in (
        (po("trafo_pad", padding=1), (3, None, 10)),
        (po("trafo_resize", size=(4, 5)), (3, 4, 5)),
        (po("trafo_grayscale", num_output_channels=1), (1, None, 8)),
    ):
        (changed,), _ = node.train([task])
        (descriptor,), _ = po("torch_ingress_ltnsr").train([changed])
        assert descriptor.symbol.shape == (None, *shape)
    for node in (
        po("trafo_reshape", shape=(-1, 7)),
        po("trafo_normalize", mean=(1, 2), std=1),
        po("trafo_fn", fn=lambda x: x.sum()),
        po("trafo_fn", fn=lambda x: x @ x[..., :3]),
    ):
        with pytest.raises(PipeOpsError, match=f"^{node.id}: "):
            node.train([task])
    assert read == []


def test_one_of_ones_own():
    @operator
    class Doubled(Trafo):
        def transform(self, x, draws):
            return 2 * x

    (task,), _ = Doubled().train([tensor_tasks()["eager"]])
    assert torch.equal(task.tensor("image"), 2 * tensor_tasks()["eager"].tensor("image"))
    (rows,), _ = po("trafo_fn", fn=lambda row: row.mean((1, 2)), rowwise=True).train([task])
    assert rows.tensor("image").shape == (5, 3)
