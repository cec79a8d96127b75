"""Writes OUT/mxfp4/unpacked.safetensors: random blocks of MXFP4 with each of the 256 scales, and the values that transformers makes of them.

    python scripts/golden/mxfp4.py OUT
"""
import os, sys
import torch
from safetensors.torch import save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

folder = os.path.join(sys.argv[1], "mxfp4")
os.makedirs(folder, exist_ok=True)
g = torch.Generator().manual_seed(21)
blocks = torch.randint(0, 256, (2, 32, 4, 16), generator=g, dtype=torch.uint8)
scales = torch.randperm(256, generator=g).to(torch.uint8).reshape(2, 32, 4)
save_file({"blocks": blocks, "scales": scales, "values": convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)},
          os.path.join(folder, "unpacked.safetensors"))
