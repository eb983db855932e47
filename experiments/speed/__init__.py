"""Speed: what is fast, measured."""
