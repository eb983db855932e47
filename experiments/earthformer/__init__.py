"""Earthformer and the forecasters of its tables, on films whose laws are known and on real ones."""
