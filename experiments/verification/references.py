"""Errors of the same schemes on the same grids that were measured outside this project, by row and cells.

They are the L1 norm of `study` in double precision, with the van Leer limiter, the flux and the steps
that the cases use.
"""

# For the Barenblatt profile the numbers are read as dx Σ|e| on a domain 12 long. The source does not say; as
# means over the domain, like the others, they would be ten times ours on every grid: the stricter reading.
_LENGTH = 12.0

REFERENCES: dict[str, dict[int, float]] = {
    "advection of a sine, minmod": {32: 5.95e-2, 256: 1.57e-3},
    "advection of a sine, van Leer": {32: 3.15e-2, 256: 5.35e-4},
    "advection of a sine, MC": {32: 1.99e-2, 256: 4.10e-4},
    "advection of a sine, WENO5-JS": {32: 2.14e-4, 256: 6.61e-9},
    "advection of a sine, WENO5-Z": {32: 9.69e-5, 256: 3.05e-9},
    "Burgers before the shock, van Leer": {32: 3.68e-3, 256: 5.43e-5},
    "Burgers before the shock, WENO5-Z": {32: 7.68e-5, 256: 3.79e-9},
    "Barenblatt, m = 2, differences of Φ": {50: 4.3e-3 / _LENGTH, 400: 7.4e-5 / _LENGTH},
    "Barenblatt, m = 3, differences of Φ": {50: 9.6e-3 / _LENGTH, 400: 2.0e-4 / _LENGTH},
    "porous medium front, m = 1, differences of Φ": {200: 7.2e-6},
    "porous medium front, m = 2, differences of Φ": {200: 3.8e-5},
    "porous medium front, m = 3, differences of Φ": {200: 8.9e-5},
    "porous medium front, m = 6, differences of Φ": {200: 1.8e-4},
    "Stefan, u* = 0.5, differences of Φ": {400: 2.2e-5},
    "Sod, HLLC, van Leer": {100: 4.5e-3, 200: 2.8e-3, 400: 1.4e-3},
    "Lax, HLLC, van Leer": {100: 1.4e-2, 200: 9.0e-3, 400: 5.4e-3},
    "123, HLLC, van Leer": {100: 6.7e-3, 200: 3.8e-3, 400: 2.0e-3},
    "Toro 3, HLLC, van Leer": {100: 0.115, 200: 0.075, 400: 0.043},
}
