"""Silent answers that are right, each with its reason.

A rule is three patterns, of the call, the argument and the mutation, and why the answer is meant. A bar
stands between alternatives.
"""

from fnmatch import fnmatch

_LIMITERS = "*.minmod|*.van_leer|*.mc|*.superbee"
_FORECASTS = "*smape|*mase|*_volatility|*.calibration|*quantile*"

_RULES: tuple[tuple[str, str, str, str], ...] = (
    # Of any call.
    ("*", "*", "2[*][*]70", "a number larger than there are steps, frames or rows takes them all"),
    ("*.Problem", "name", "an empty word", "a title is free text"),
    ("*.plots.*|*.plot", "*", "an empty word", "titles and units are free text"),
    ("jaxsci.experiment.*", "name|claim|baseline|text", "an empty word", "free text"),
    ("jaxsci.experiment.*", "presets|claims", "one more|empty", "any number of them"),
    ("*.Experiment", "run_seed|check|figures", "a function *", "it is called later, by run"),
    ("*", "seed", "out of range", "any number is a seed"),
    ("*Problem", "solve", "a function *", "it is called later, by sample, which checks the answer"),
    ("*make_train_step", "loss_fn", "a function *", "it is called later, by the step"),
    ("*", "t0", "its negative", "time may begin before zero"),
    ("solvers.*.__call__", "t", "*", "an equation that does not read the time"),
    ("*", "groups", "*", "groups are any names, of any number"),
    # Fields on which the function acts point by point or row by row.
    (_LIMITERS, "[ab]", "one axis more", "limiters act point by point, which broadcasts"),
    ("*_sst", "*", "one axis more", "each value is scaled by itself"),
    ("*_patches", "x", "one axis more", "frames may have any axes in front"),
    ("jaxsci.nn.*", "x", "one axis more", "layers act on the last axes"),
    ("jaxsci.nn.moments", "kernels", "one axis more", "any number of kernels"),
    ("*.log_prob", "value", "one axis more", "densities broadcast over a batch of values"),
    ("jaxsci.metrics.*", "*", "one axis more", "any axes in front: one score for each"),
    ("solvers.*", "[tx]", "one axis more", "exact solutions are evaluated point by point"),
    ("*ArrayEvents", "frames", "one axis more", "space may have any number of axes"),
    ("*.fit", "model", "one axis more", "the loss of the test takes parameters of any shape"),
    # Fewer or more of what there may be any number of.
    ("*crps_samples", "samples", "a sample too few", "an ensemble may be smaller"),
    ("*mase", "history", "a sample too few", "a history may be shorter"),
    ("*nino34_index", "sst", "a sample too few", "months, or runs, fewer by one"),
    ("*shock_position", "profile", "*sample*", "profiles fewer by one, or none"),
    ("*nino34_index", "sst", "no samples", "no run, no index"),
    ("*AttentiveNeuralProcess.__call__", "target_x", "a sample too few", "any number of targets"),
    ("*StreamFunction.__call__", "mean", "a sample too few", "one mean serves both components"),
    ("*CrossAttention.__call__", "queries", "*sample*", "any number of queries"),
    ("*CuboidCrossAttention.__call__", "x", "a sample too few", "any number of frames"),
    ("*reconcile", "forecast|residuals", "*sample*|one axis more", "any number of dates"),
    ("*QuantileForest.__call__", "levels", "*sample*", "any number of levels"),
    ("*MQ*", "dilations", "one more", "any number of layers"),
    (
        "*SpatiotemporalLSTMCell.__call__",
        "x",
        "transposed",
        "axes of one size cannot be told apart",
    ),
    ("*ResidualBlock.__call__", "x", "*sample*", "any number of points"),
    ("*.sample", "sample_shape", "*", "draws may have any shape, of none too"),
    ("*solve", "save_at", "its first alone", "one time is a time"),
    ("*ensemble_loss", "loss_fn", "a function *", "it is called later, by the step"),
    ("*KnowledgeAlignment.__call__", "*", "*", "what is read of it is the user's knowledge"),
    ("*denoising_loss", "x", "one axis more", "data of any shape, where the network takes it"),
    ("*Kernel.__call__|*RBF.__call__", "[xy]", "*sample*", "any number of points"),
    ("*GaussianProcess.__call__", "target_x", "*sample*", "any number of points"),
    ("*fit_gaussian_process", "x", "transposed", "axes of one size cannot be told apart"),
    ("*calibration", "levels", "one more", "any number of levels"),
    # NaN that means not known, or that is not read.
    (_FORECASTS, "target", "a NaN", "what came may be unknown: the rest is scored"),
    ("*mase", "history", "a NaN", "what came may be unknown"),
    ("*interval_coverage", "*er", "a NaN", "an interval without an end holds nothing, a miss"),
    ("*nino34_index", "sst", "a NaN", "a point outside of the region is not read"),
    (_LIMITERS, "[ab]", "a NaN", "no slope beside a broken cell, which the cell itself shows"),
    ("*ForecastGrid", "values", "a NaN", "a series that had not begun has no forecast"),
    ("*CausalConvStack.__call__", "x", "a NaN", "what is before the beginning is not read"),
    ("*Persistence.__call__", "x", "a NaN", "the last frame is repeated, the first is not read"),
    ("jaxsci.plots.*", "*", "a NaN", "a gap"),
    # Numbers that are allowed.
    ("jaxsci.plots.*", "truth|best", "its negative", "values have either sign"),
    ("*frame_rows", "inputs", "a sample too few", "any number of frames"),
    ("*MQTransformer", "feedback|nearby", "zero", "without that part of the network"),
    ("*MQCNN", "half_life", "infinity", "the level is the mean of all that came before"),
    ("*MQCNN", "freq", "a number", "a spacing may be a number of dates"),
    ("*StepEmbedding.__call__", "step", "*", "a step is any real number"),
    ("*choose_transform", "platform", "an empty word", "a platform without a measurement"),
    ("*relative_l2", "*", "complex numbers", "complex fields are scored by their modulus"),
    ("*mse", "*", "complex numbers", "complex fields are scored by their modulus"),
    ("*mae", "*", "complex numbers", "complex fields are scored by their modulus"),
    ("*radial_spectrum", "field", "complex numbers", "a complex field has a spectrum"),
    ("jaxsci.constraints.*", "*", "its negative", "values and coefficients have either sign"),
    ("*", "amplitude", "its negative", "a force may push the other way"),
    ("*by_characteristics", "t", "its negative", "a smooth wave can be followed backward"),
    ("*shock_position", "level", "its negative", "a level has either sign"),
    ("*OptimizerConfig", "clip_norm", "infinity", "nothing is clipped"),
    ("*OptimizerConfig", "warmup_steps", "zero", "no warm-up"),
    ("*MLP", "holdout", "zero", "nothing is held out"),
    ("*Cuboid", "shift", "a zero in front", "not shifted along that axis"),
    ("*darcy", "*", "transposed", "a field on a square grid, whichever axis comes first"),
    ("*save_model", "model", "None", "a tree without arrays is a tree"),
)


def reason(call: str, argument: str, mutation: str) -> str | None:
    """Why the answer is right, or None where no rule says so."""
    for *patterns, why in _RULES:
        if all(map(_matches, (call, argument, mutation), patterns)):
            return why
    return None


def _matches(name: str, patterns: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns.split("|"))
