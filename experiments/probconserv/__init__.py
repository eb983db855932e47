"""ProbConserv: predictions that conserve what is conserved (Hansen et al., ICML 2023)."""
