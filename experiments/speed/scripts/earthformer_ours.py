"""Training steps of our Earthformer as released for N-body MNIST; one step a line of standard input."""

import sys
import time

import jax

from experiments.speed.earthformer import training_step
from experiments.speed.scripts.peak import Peak

batch, micro_batches = int(sys.argv[1]), int(sys.argv[2])
step = training_step(batch, micro_batches=micro_batches)
jax.block_until_ready(step())
peak = Peak()
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    jax.block_until_ready(step())
    print(time.perf_counter() - start, peak.before, peak.megabytes(), flush=True)
