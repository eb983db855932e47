"""The cases, by the kind of equation; each file yields one `Study` after another."""

from .diffusion import diffusion as diffusion
from .gas import gas as gas
from .incompressible import incompressible as incompressible
from .transport import transport as transport
from .water import water as water
