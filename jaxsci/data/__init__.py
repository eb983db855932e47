"""Data: solver output as labelled datasets, checked zarr stores, normalisation, space-time sequences."""

from .checks import DatasetError as DatasetError
from .checks import check_dataset as check_dataset
from .dataset import Fields as Fields
from .dataset import from_xarray as from_xarray
from .dataset import to_xarray as to_xarray
from .digits import font_digits as font_digits
from .digits import handwritten_digits as handwritten_digits
from .digits import mnist_digits as mnist_digits
from .digits import read_idx as read_idx
from .moving_digits import MovingDigits as MovingDigits
from .moving_digits import MovingMNIST as MovingMNIST
from .nbody import NBodyDigits as NBodyDigits
from .nbody import acceleration as acceleration
from .nbody import potential_energy as potential_energy
from .normalizer import Normalizer as Normalizer
from .sprites import Sprites as Sprites
from .sprites import bicubic as bicubic
from .zarr_store import StoreError as StoreError
from .zarr_store import read_zarr as read_zarr
from .zarr_store import write_zarr as write_zarr
