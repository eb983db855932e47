"""Differentiable finite-volume solvers."""
