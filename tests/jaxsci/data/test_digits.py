"""Digits: the IDX format to the byte, damage refused, fonts that look like digits."""

import gzip
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxsci.data import (
    DatasetError,
    Sprites,
    font_digits,
    handwritten_digits,
    mnist_digits,
    read_idx,
)


def idx(array, kind=8):
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def digits():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("compressed", [False, True])
def test_idx_files_are_read_plain_and_compressed(tmp_path, digits, compressed):
    data = idx(digits)
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(data) if compressed else data)
    np.testing.assert_array_equal(read_idx(path), digits)
    labels = tmp_path / "labels"
    labels.write_bytes(idx(np.arange(5, dtype=np.uint8)))
    pictures = mnist_digits(path, labels)
    assert pictures.dtype == np.float32
    np.testing.assert_array_equal(np.round(pictures * 255), digits)


def test_damaged_files_are_refused(tmp_path, digits):
    path = tmp_path / "images"

    def refused(data, match):
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=match):
            mnist_digits(path)

    data = idx(digits)
    refused(data[:-1], "cut short or changed, fetch it again")
    refused(data + b"\0", "cut short or changed")
    refused(data[:10], "cut short or changed")
    refused(b"", "got nothing; pass an IDX file")
    refused(idx(digits, kind=0x0D), "00 00 08 and the number of axes, got 00 00 0d 03")
    refused(b"PK\3\4" + data, "got 50 4b 03 04")
    refused(gzip.compress(data)[:-9], "expected a readable IDX file")
    refused(idx(digits[:, :20]), r"\(pictures, 28, 28\) in .*, got \(5, 20, 28\)")
    refused(idx(digits[0, 0]), r"got \(28,\)")
    with pytest.raises(DatasetError, match="expected a readable IDX file"):
        read_idx(tmp_path / "missing")


def test_labels_must_belong_to_the_pictures(tmp_path, digits):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(idx(digits))
    labels.write_bytes(idx(np.arange(4, dtype=np.uint8)))
    with pytest.raises(DatasetError, match=r"each of 5 pictures in .*, got shape \(4,\)"):
        mnist_digits(images, labels)
    labels.write_bytes(idx(np.arange(6, 11, dtype=np.uint8)))
    with pytest.raises(DatasetError, match="and the largest 10"):
        mnist_digits(images, labels)


def test_fonts_give_ten_different_digits_each():
    pictures = font_digits(16)
    assert pictures.shape[1:] == (16, 16)
    assert len(pictures) % 10 == 0
    assert len(pictures) >= 100
    assert pictures.dtype == np.float32
    assert pictures.min() == 0
    assert pictures.max() == 1
    assert len(np.unique(pictures.reshape(len(pictures), -1), axis=0)) == len(pictures)
    heights = np.asarray(Sprites.crop(pictures).sizes)[:, 1]
    # Digits are 0.7 * 16 = 11.2 pixels high, which cover parts of 12 or 13.
    assert set(heights) <= {12.0, 13.0}
    with pytest.raises(ValueError, match="a size of at least 4"):
        font_digits(3)


def test_missing_scikit_learn_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        ImportError, match=r"the package scikit-learn, got none; install it with jaxsci\[earth\]"
    ):
        handwritten_digits()


def test_the_scans_of_scikit_learn():
    pytest.importorskip("sklearn", reason="scikit-learn is an extra")
    pictures = handwritten_digits()
    assert pictures.shape == (1797, 8, 8)
    assert pictures.dtype == np.float32
    assert pictures.min() == 0
    assert pictures.max() == 1


def test_mnist_itself():
    folder = Path(os.environ.get("JAXSCI_MNIST", "absent"))
    images, labels = (
        folder / f"t10k-{name}.gz" for name in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    if not images.exists():
        pytest.skip("JAXSCI_MNIST does not name a folder with the test set of MNIST")
    pictures = mnist_digits(images, labels)
    assert pictures.shape == (10_000, 28, 28)
    assert float(pictures.mean()) == pytest.approx(0.1325, abs=1e-4)  # as is well known
    np.testing.assert_array_equal(Sprites.crop(pictures).pixels.shape[1:], (20, 20))
