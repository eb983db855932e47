"""Two pages: profiles beside the exact solutions, and errors against the number of cells."""
