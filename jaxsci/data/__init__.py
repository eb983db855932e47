"""Data: solver output as labelled datasets, checked zarr stores, normalisation."""

from .checks import DatasetError as DatasetError
from .checks import check_dataset as check_dataset
from .dataset import Fields as Fields
from .dataset import from_xarray as from_xarray
from .dataset import to_xarray as to_xarray
from .normalizer import Normalizer as Normalizer
from .zarr_store import StoreError as StoreError
from .zarr_store import read_zarr as read_zarr
from .zarr_store import write_zarr as write_zarr
