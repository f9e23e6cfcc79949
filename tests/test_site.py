"""The pages that are made for the site: one for each key, with every hyperparameter, and what docstrings say of it."""

import importlib.util
from pathlib import Path

import pytest

from pipeops import nn, po

FILE = Path(__file__).parents[1] / "docs" / "_ext" / "shelves.py"


@pytest.fixture(scope="module")
def shelves():
    spec = importlib.util.spec_from_file_location("shelves", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_a_docstring_says_of_each_name(shelves):
    text = "Does it.\n\nfirst, second: whether to.\nThey say: so. other: a number\nor two.\n\n>>> first: no"
    found = shelves.meanings(text, {"first": 1, "second": 2, "other": 3, "silent": 4})
    assert found == {"first": "whether to. They say: so.", "second": "whether to. They say: so.", "other": "a number or two."}


@pytest.mark.parametrize(("shelf", "key"), [(po, "scale"), (po, "torch_model_regr"), (nn, "conv2d"), (nn, "linear")])
def test_a_page_has_every_hyperparameter(shelves, shelf, key):
    page = shelves.page(shelf, key)
    assert page.startswith("---\norphan: true\n---\n\n# `")
    thing = shelves.made(shelf, key)
    assert all(f"| `{name}` |" in page for name in thing.params)
    assert "```pycon" in page


def test_a_wrapped_class_says_what_we_do_not(shelves):
    page = shelves.page(nn, "linear")
    assert "| `out_features` | integer | [1, Inf) | required | size of each output sample |" in page
    assert "https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html" in page


def test_an_index_has_every_key_and_text_is_no_markup(shelves):
    assert all(f"(nn/{key}.md)" in shelves.index(nn) for key in nn._modules)
    assert shelves.markdown("a_b <c> `d_e`\n\n>>> 1") == "a\\_b \\<c\\> `d_e`\n\n```pycon\n>>> 1\n```"
