"""BOON on the four sides of a box: the vorticity of a cavity whose lid moves as it likes."""
