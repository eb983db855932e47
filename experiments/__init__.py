"""Reproductions: one folder per paper or claim."""
