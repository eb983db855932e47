"""Data: labelled datasets of solver output, checked zarr stores, normalisation, films, series."""

from solvers._arguments import name_misfits as _name_misfits

from .checks import DatasetError as DatasetError
from .checks import check_dataset as check_dataset
from .dataset import Fields as Fields
from .dataset import from_xarray as from_xarray
from .dataset import to_xarray as to_xarray
from .digits import font_digits as font_digits
from .digits import handwritten_digits as handwritten_digits
from .digits import mnist_digits as mnist_digits
from .digits import read_idx as read_idx
from .earthnet import EarthNet as EarthNet
from .earthnet import earthnet_auxiliary as earthnet_auxiliary
from .enso import ENSO as ENSO
from .enso import decode_sst as decode_sst
from .enso import encode_sst as encode_sst
from .ett import read_ett as read_ett
from .ett import split_ett as split_ett
from .flows import KolmogorovFlow as KolmogorovFlow
from .flows import ShallowWaterFlow as ShallowWaterFlow
from .m4 import read_m4 as read_m4
from .m5 import read_m5 as read_m5
from .moving_digits import MovingDigits as MovingDigits
from .moving_digits import MovingMNIST as MovingMNIST
from .nbody import NBodyDigits as NBodyDigits
from .nbody import acceleration as acceleration
from .nbody import potential_energy as potential_energy
from .normalizer import Normalizer as Normalizer
from .sevir import SEVIR as SEVIR
from .sevir import SEVIR_SPLITS as SEVIR_SPLITS
from .sevir import lightning_frames as lightning_frames
from .sprites import Sprites as Sprites
from .sprites import bicubic as bicubic
from .tourism import Tourism as Tourism
from .tourism import read_tourism as read_tourism
from .windows import ArrayEvents as ArrayEvents
from .windows import Events as Events
from .windows import Windows as Windows
from .windows import split_by_group as split_by_group
from .zarr_store import StoreError as StoreError
from .zarr_store import read_zarr as read_zarr
from .zarr_store import write_zarr as write_zarr

_name_misfits(__name__)
