"""Verification: every scheme of `solvers` against exact solutions, published tables and measured errors."""
