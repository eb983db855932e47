"""Sides of a comparison that run in processes or environments of their own."""
