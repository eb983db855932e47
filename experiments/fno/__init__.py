"""FNO: Fourier neural operators on the problems they were introduced with (Li et al., ICLR 2021)."""
