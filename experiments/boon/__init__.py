"""BOON: operators that respect boundary conditions exactly (Saad et al., ICLR 2023)."""
