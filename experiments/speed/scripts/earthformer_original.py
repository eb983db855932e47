"""Training steps of the authors' Earthformer as released for N-body MNIST; one step a line of standard input.

Needs torch, einops and their code (`pip install --no-deps earthformer`); nothing of jaxsci.
"""

# pyright: reportMissingImports=false
import importlib.machinery
import sys
import time
import types
from pathlib import Path

import torch
from peak import Peak

batch, micro_batches, threads = map(int, sys.argv[1:])
spec = importlib.machinery.PathFinder.find_spec("earthformer")
if spec is None or spec.origin is None:
    sys.exit("expected the package earthformer; install it with pip install --no-deps earthformer")
# The package without what it imports beside the model.
package = types.ModuleType("earthformer")
package.__path__ = [str(Path(spec.origin).parent)]
sys.modules["earthformer"] = package
from earthformer.cuboid_transformer.cuboid_transformer import CuboidTransformerModel  # noqa: E402

torch.set_num_threads(threads)
torch.manual_seed(0)
model = CuboidTransformerModel(
    input_shape=[10, 64, 64, 1],
    target_shape=[10, 64, 64, 1],
    base_units=64,
    enc_depth=[4, 4],
    dec_depth=[4, 4],
    enc_attn_patterns=["axial"] * 2,
    dec_self_attn_patterns=["axial"] * 2,
    dec_cross_attn_patterns=["cross_1x1"] * 2,
    dec_use_first_self_attn=False,
    num_global_vectors=0,
    use_dec_self_global=False,
    use_dec_cross_global=False,
    use_global_vector_ffn=False,
    attn_drop=0.1,
    proj_drop=0.1,
    ffn_drop=0.1,
    ffn_activation="gelu",
    padding_type="zeros",
    pos_embed_type="t+hw",
    z_init_method="zeros",
    checkpoint_level=0,
    initial_downsample_type="conv",
    initial_downsample_scale=2,
    initial_downsample_conv_layers=2,
    final_upsample_conv_layers=1,
)
assert sum(p.numel() for p in model.parameters()) == 6_702_109
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-5)
x, y = torch.rand(2, batch, 10, 64, 64, 1)


def step():
    """Mean squared error, clipped gradient, AdamW: as they train."""
    optimizer.zero_grad()
    for a, b in zip(x.chunk(micro_batches), y.chunk(micro_batches), strict=True):
        loss = ((model(a) - b) ** 2).mean() / micro_batches
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


step()
optimizer.zero_grad()
peak = Peak()
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    step()
    print(time.perf_counter() - start, peak.before, peak.megabytes(), flush=True)
