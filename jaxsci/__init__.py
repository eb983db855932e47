"""Operators, constraints and training for learning models of physical systems."""
