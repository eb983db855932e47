"""Projection as the last layer of a network: trained through, put on afterwards, or asked for by a penalty."""
