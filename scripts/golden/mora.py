"""Makes testdata/golden/mora, the operators of mora_ref.py at odd sizes: python mora.py GOLDEN (seed 11; made with PyTorch 2.15).

cases.json lists them. mora.safetensors holds, by case, NAME.x and NAME.M, NAME.y = ΔW x, NAME.dy and the resulting gradients
NAME.dx and NAME.dM, and NAME.delta = ΔW if that is small. Computed in float64.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file

import mora_ref

SIZES = [(64, 64), (64, 192), (192, 64), (100, 37), (37, 100), (96, 96), (576, 192), (128, 16), (61, 67)]


def operators():
    """Yields the cases and their tensors, which come from PyTorch's random generator."""
    cases, tensors = [], {}
    for inputs, outputs in SIZES:
        for r in (1, 2, 8):
            for kind in (1, 2, 3, 4, 6):
                q = mora_ref.side(inputs, outputs, r, kind)
                if q > inputs or kind in (2, 3) and q > outputs:
                    continue
                x = torch.randn(4, inputs, dtype=torch.float64, requires_grad=True)
                m = torch.randn(q, q, dtype=torch.float64, requires_grad=True)
                y = mora_ref.mora(x, m, outputs, kind)
                dy = torch.randn_like(y)
                if inputs * outputs > 50000 and r == 8:
                    continue  # too large to keep, but drawn, so that the random numbers of the following cases stay the same
                y.backward(dy)
                name = f"{inputs}x{outputs}_r{r}_t{kind}"
                cases.append(dict(name=name, in_features=inputs, out_features=outputs, r=r, mora_type=kind, side=q))
                values = dict(x=x, M=m, y=y, dy=dy, dx=x.grad, dM=m.grad)
                if inputs * outputs <= 13000:
                    values["delta"] = mora_ref.delta_weight(m.detach(), inputs, outputs, kind)
                tensors.update({f"{name}.{k}": v.detach().float().contiguous() for k, v in values.items()})
    return cases, tensors


def main(golden):
    torch.manual_seed(11)
    cases, tensors = operators()
    folder = os.path.join(golden, "mora")
    os.makedirs(folder, exist_ok=True)
    save_file(tensors, os.path.join(folder, "mora.safetensors"))
    with open(os.path.join(folder, "cases.json"), "w") as f:
        json.dump(cases, f, indent=1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
