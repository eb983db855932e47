"""Presets of the verification: the grids of every case."""

from dataclasses import dataclass

Cells = tuple[int, ...]
_OPTIONAL = ("shu_osher", "vortex", "cavity_1000")


@dataclass(frozen=True)
class VerificationConfig:
    """The cells an axis of each case, from coarse to fine; two for an order.

    The shock that meets a sine, the vortex and the cavity at Re = 1000 are left out where there are none.

    Args:
        seeds: one; nothing is drawn at random.
        advection: a sine, once around.
        burgers: a sine before it breaks.
        viscous: the viscous shock.
        barenblatt: a point mass in a porous medium.
        porous: the travelling front in a porous medium.
        stefan: the melting front.
        heat: the decay of a mode.
        plate: the oscillating plate.
        tubes: the four shock tubes.
        shu_osher: the shock that meets a sine.
        shu_osher_fine: cells of the solution that it is compared with.
        vortex: the isentropic vortex.
        dam_breaks: onto water and onto dry ground.
        lake: a lake with an island, one grid.
        sound: a standing wave.
        taylor_green: decaying vortices.
        cavity_100: lid-driven cavity at Re = 100.
        cavity_1000: lid-driven cavity at Re = 1000.
    """

    seeds: tuple[int, ...] = (0,)
    advection: Cells = (32, 64, 128, 256)
    burgers: Cells = (32, 64, 128, 256)
    viscous: Cells = (40, 80, 160)
    barenblatt: Cells = (50, 100, 200, 400)
    porous: Cells = (100, 200)
    stefan: Cells = (100, 200, 400)
    heat: Cells = (16, 32, 64)
    plate: Cells = (20, 40, 80)
    tubes: Cells = (100, 200, 400)
    shu_osher: Cells = (200, 400, 800)
    shu_osher_fine: int = 4000
    vortex: Cells = (32, 64, 128)
    dam_breaks: Cells = (100, 200, 400)
    lake: int = 40
    sound: Cells = (16, 32, 64)
    taylor_green: Cells = (16, 32, 64)
    cavity_100: Cells = (32, 64)
    cavity_1000: Cells = (64, 128)

    def __post_init__(self):
        for name, cells in vars(self).items():
            if name in ("seeds", "lake", "shu_osher_fine") or (name in _OPTIONAL and not cells):
                continue
            if not cells or list(cells) != sorted(set(cells)) or cells[0] < 8:
                raise ValueError(
                    f"VerificationConfig expected {name} to be growing numbers of at least "
                    f"8 cells, got {cells}; list the grids from coarse to fine."
                )
        if any(self.shu_osher_fine % n or n % 10 for n in self.shu_osher):
            raise ValueError(
                f"VerificationConfig expected shu_osher to be multiples of 10 that divide "
                f"shu_osher_fine={self.shu_osher_fine}, got {self.shu_osher}; the shock starts on a "
                "face, and cells are made of whole fine ones."
            )


PRESETS = {
    # Grids with a reference where there is one; compiling takes most of the time.
    "smoke": VerificationConfig(
        advection=(32,),
        burgers=(32,),
        viscous=(40,),
        barenblatt=(50,),
        porous=(200,),
        stefan=(400,),
        heat=(16, 32),
        plate=(20,),
        tubes=(100,),
        shu_osher=(),
        vortex=(),
        dam_breaks=(100,),
        sound=(32,),
        taylor_green=(16,),
        cavity_100=(32,),
        cavity_1000=(),
    ),
    "cpu": VerificationConfig(),
    # One grid more where a grid more says something.
    "paper": VerificationConfig(
        vortex=(32, 64, 128, 256),
        shu_osher_fine=8000,
        cavity_100=(32, 64, 128),
        cavity_1000=(64, 128, 256),
    ),
}
