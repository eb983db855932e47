import resource
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxsci.constraints import DirichletEnds, PeriodicEnds
from jaxsci.nn.attention import CrossAttention
from jaxsci.operators import from_flax
from jaxsci.training import CheckpointError, load_model, save_model


def _tree(key):
    """Every kind of leaf: several dtypes, a random key, no elements, a scalar, a function."""
    return {
        "float": jax.random.normal(key, (3, 4)),
        "half": jax.random.normal(key, (5,)).astype(jnp.bfloat16),
        "count": jnp.asarray(7, jnp.int32),
        "none": jnp.zeros((0, 2)),
        "flag": jnp.array([True, False]),
        "host": np.asarray(jax.random.normal(key, (2,)), np.float64),
        "number": np.float32(jax.random.normal(key)),
        "key": key,
        "function": jax.nn.gelu,
    }


def test_model_comes_back_bit_for_bit(tmp_path, key):
    tree, like = _tree(key), _tree(jax.random.key(99))
    save_model(tmp_path / "model", tree)
    loaded = load_model(tmp_path / "model", like)
    assert jax.random.key_data(loaded["key"]).tolist() == jax.random.key_data(key).tolist()
    for name in ("float", "half", "count", "none", "flag", "host", "number"):
        assert loaded[name].dtype == tree[name].dtype
        np.testing.assert_array_equal(loaded[name], tree[name])
    assert loaded["function"] is jax.nn.gelu


def test_tree_without_arrays(tmp_path):
    save_model(tmp_path / "model", {"f": jnp.sin})
    assert load_model(tmp_path / "model", {"f": jnp.sin}) == {"f": jnp.sin}


def _attention(heads):
    return CrossAttention(width=8, heads=heads, key=jax.random.key(0))


def _flax(rate):
    class Net(nnx.Module):
        def __init__(self):
            self.linear = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
            self.dropout = nnx.Dropout(rate)
            self.activation = lambda x: x

    return from_flax(Net())


@pytest.mark.parametrize(
    ("build", "option", "other", "message"),
    [
        (_attention, 2, 4, "expected heads = 2, as stored, got heads = 4"),
        (_flax, 0.1, 0.2, r"expected graph\..* = 0.1, as stored, got graph\..* = 0.2"),
        (lambda ends: (ends(),), PeriodicEnds, DirichletEnds, "0 of class PeriodicEnds, .*Dirich"),
        (lambda f: {"f": f}, jax.nn.gelu, jax.nn.relu, "f = gelu, as stored, got f = relu"),
        (lambda on: {"f": partial(jax.nn.gelu, approximate=on)}, True, False, "approximate = True"),
        (lambda n: {"names": {"a", "b", n}}, "c", "d", "names = {'a', 'b', 'c'}"),
    ],
    ids=["size", "flax", "class", "function", "partial", "set"],
)
def test_models_of_equal_shapes_and_other_options_are_told_apart(
    tmp_path, build, option, other, message
):
    save_model(tmp_path / "model", build(option))
    assert "0x" not in (tmp_path / "model" / "manifest.json").read_text()
    load_model(tmp_path / "model", build(option))
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path / "model", build(other))


def test_existing_folder_is_kept_unless_told(tmp_path):
    save_model(tmp_path / "model", jnp.zeros(3))
    with pytest.raises(FileExistsError, match=r"expected a new folder, got .*overwrite=True"):
        save_model(tmp_path / "model", jnp.ones(3))
    save_model(tmp_path / "model", jnp.ones(3), overwrite=True)
    np.testing.assert_array_equal(load_model(tmp_path / "model", jnp.zeros(3)), jnp.ones(3))


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"a": jnp.zeros(4)}, r"expected leaf a of float32\[3\], as stored, got .* float32\[4\]"),
        ({"a": jnp.zeros(3, jnp.int32)}, r"got leaf a of int32\[3\]"),
        ({"b": jnp.zeros(3)}, r"got leaf b of"),
        ({"a": jnp.zeros(3), "b": jnp.zeros(1)}, r"expected no further leaf, .*got leaf b"),
        ({}, r"got no further leaf"),
    ],
)
def test_first_differing_leaf_is_named(tmp_path, like, message):
    save_model(tmp_path / "model", {"a": jnp.zeros(3)})
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path / "model", like)


def test_missing_folder_is_refused(tmp_path):
    save_model(tmp_path / "models" / "heat-0", jnp.zeros(3))
    with pytest.raises(CheckpointError, match=r"got no such folder; take 'heat-0' if you meant"):
        load_model(tmp_path / "models" / "heat0", jnp.zeros(3))
    with pytest.raises(CheckpointError, match="got no such folder; check the path"):
        load_model(tmp_path / "nothing", jnp.zeros(3))
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="got a file; check the path"):
        load_model(tmp_path / "file", jnp.zeros(3))


def test_another_precision_is_named(tmp_path):
    save_model(tmp_path / "model", np.zeros(3, np.float32))
    with pytest.raises(CheckpointError, match=r"another precision: .*float32.*jax_enable_x64"):
        load_model(tmp_path / "model", np.zeros(3))


def test_only_saved_models_are_overwritten(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("precious")
    with pytest.raises(FileExistsError, match="expected to overwrite a saved model"):
        save_model(tmp_path / "thesis", jnp.zeros(3), overwrite=True)
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
    ],
    ids=["half", "empty", "last bit", "an early bit"],
)
def test_every_damaged_file_is_found(tmp_path, damage):
    folder = tmp_path / "model"
    save_model(folder, jax.random.normal(jax.random.key(0), (64, 64)))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(damage(whole))
        with pytest.raises(CheckpointError, match=rf"(?s)(?=.*{file.name}).*damaged"):
            load_model(folder, jnp.zeros((64, 64)))
        file.write_bytes(whole)
    load_model(folder, jnp.zeros((64, 64)))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, key):
    tree = {"w": jax.random.normal(key, (50_000,))}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        with pytest.raises(
            OSError, match=r"^A checkpoint expected room .*; free some space"
        ) as full:
            save_model(tmp_path / "model", tree)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert str(full.value).count("\n") == 0
    # The exceptions of other libraries, a hundred lines, are not printed with it.
    assert full.value.__suppress_context__
    assert not list(tmp_path.iterdir())
