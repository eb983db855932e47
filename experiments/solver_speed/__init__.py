"""How fast the solvers are: beside their peers, against memory bandwidth, and in reverse mode."""
