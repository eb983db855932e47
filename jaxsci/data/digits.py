"""Pictures of digits for moving-digit sequences: files in the IDX format, bundled scans, or drawn from fonts.

All are float32 in [0, 1], of shape (pictures, height, width), ink bright on dark.

References: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Proc. IEEE 86 (1998) 2278,
doi:10.1109/5.726791, for MNIST and its IDX format: two zero bytes, a type code, the number of axes,
their lengths as big-endian 32-bit integers, then the values. E. Alpaydin, C. Kaynak, Optical Recognition of
Handwritten Digits (1998), doi:10.24432/C50P49, for the scans of 8 by 8.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from ._extras import extra
from .checks import DatasetError

Pictures = Float[np.ndarray, "pictures height width"]

_UNSIGNED_BYTES = 0x08


def read_idx(path: str | Path) -> UInt8[np.ndarray, "..."]:
    """The array of an IDX file of unsigned bytes, plain or compressed with gzip.

    Raises:
        DatasetError: a file that is missing, is no such file, is cut short, or is longer than it says.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"read_idx expected a readable IDX file at {path}, got {error}; check the path, or fetch "
            "the file again."
        ) from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTES or not data[3]:
        raise DatasetError(
            f"read_idx expected {path} to begin with 00 00 08 and the number of axes, got "
            f"{data[:4].hex(' ') or 'nothing'}; pass an IDX file of unsigned bytes."
        )
    start = 4 + 4 * data[3]
    shape = struct.unpack(f">{data[3]}I", data[4:start]) if len(data) >= start else (0,)
    if len(data) != start + math.prod(shape):
        raise DatasetError(
            f"read_idx expected {path} to hold {start} bytes of header and one for each value of "
            f"shape {shape}, got {len(data)} in all; the file is cut short or changed, fetch it again."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def mnist_digits(images: str | Path, labels: str | Path | None = None) -> Pictures:
    """The digits of MNIST, 28 by 28, from its IDX files.

    Args:
        images: file of the pictures, such as ``train-images-idx3-ubyte.gz``.
        labels: file of the labels, read only to check that the two belong together.

    Raises:
        DatasetError: files that are damaged, hold something else, or differ in length.
    """
    pictures = read_idx(images)
    if pictures.ndim != 3 or pictures.shape[1:] != (28, 28) or not len(pictures):
        raise DatasetError(
            f"mnist_digits expected pictures of shape (pictures, 28, 28) in {images}, got "
            f"{pictures.shape}; pass the file of the images, whose name has idx3."
        )
    if labels is not None:
        classes = read_idx(labels)
        if classes.shape != pictures.shape[:1] or classes.max() > 9:
            raise DatasetError(
                f"mnist_digits expected one label from 0 to 9 for each of {len(pictures)} pictures in "
                f"{labels}, got shape {classes.shape} and the largest {classes.max(initial=0)}; pass "
                "the two files of the same part of MNIST."
            )
    return pictures.astype(np.float32) / np.float32(255)


def handwritten_digits() -> Pictures:
    """The 1797 handwritten digits of 8 by 8 that come with scikit-learn.

    Raises:
        ImportError: where scikit-learn is not installed.
    """
    instead = "use font_digits() or mnist_digits(path)"
    datasets = extra("handwritten_digits", "sklearn.datasets", "scikit-learn", instead)
    return (datasets.load_digits().images / 16.0).astype(np.float32)


def font_digits(size: int = 28, *, ink: float = 0.7) -> Pictures:
    """Digits drawn from the text fonts that come with matplotlib: no file, no further package.

    Args:
        size: height and width of a picture in pixels.
        ink: height of the digits as a share of the size.

    Returns:
        Ten digits of each font, font by font.

    Raises:
        ValueError: a size below 4, or an ink outside (0, 1].
    """
    # Imported here: training on other data needs no drawing.
    from matplotlib import get_data_path
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    if size < 4 or not 0 < ink <= 1:
        raise ValueError(
            f"font_digits expected a size of at least 4 and 0 < ink <= 1, got {size} and {ink}; the "
            "defaults are those of MNIST."
        )
    folder = Path(get_data_path()) / "fonts" / "ttf"
    fonts = sorted([*folder.glob("DejaVuS*.ttf"), *folder.glob("STIXGeneral*.ttf")])
    fonts = [font for font in fonts if "Display" not in font.name]  # those have no digits
    pictures = []
    for font in fonts:
        for digit in "0123456789":
            path = TextPath((0, 0), digit, size=1, prop=FontProperties(fname=str(font)))
            box = path.get_extents()
            scale = ink * size / box.height
            centre = (-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2)
            place = Affine2D().translate(*centre).scale(scale).translate(size / 2, size / 2)
            # One dot an inch, so that patches are placed in pixels.
            canvas = FigureCanvasAgg(Figure(figsize=(size, size), dpi=1, facecolor="black"))
            canvas.figure.add_artist(
                PathPatch(path.transformed(place), color="white", linewidth=0, transform=None)
            )
            canvas.draw()
            pictures.append(np.asarray(canvas.buffer_rgba())[..., 0])
    return np.stack(pictures).astype(np.float32) / np.float32(255)
