"""Experiments: what one is, how it is run, recorded and judged."""

from jaxsci.experiment.claims import Claim as Claim
from jaxsci.experiment.claims import read_claims as read_claims
from jaxsci.experiment.config import Config as Config
from jaxsci.experiment.discovery import experiment_names as experiment_names
from jaxsci.experiment.discovery import find_experiment as find_experiment
from jaxsci.experiment.errors import ExperimentError as ExperimentError
from jaxsci.experiment.experiment import Experiment as Experiment
from jaxsci.experiment.experiment import Rows as Rows
from jaxsci.experiment.files import require_files as require_files
from jaxsci.experiment.generated import generate as generate
from jaxsci.experiment.record import Record as Record
from jaxsci.experiment.record import read_record as read_record
from jaxsci.experiment.record import read_records as read_records
from jaxsci.experiment.record import write_record as write_record
from jaxsci.experiment.runner import Outcome as Outcome
from jaxsci.experiment.runner import run as run
from jaxsci.experiment.verdicts import Verdict as Verdict
from jaxsci.experiment.verdicts import judge as judge
from solvers._arguments import name_misfits as _name_misfits

_name_misfits(__name__)
