"""MoRA's operators in PyTorch, written from the paper (arXiv 2405.12130) and independent of the Go code: mora.py computes golden values with them.

ΔW x = decompress(M compress(x)), M is r̂ by r̂. The types are numbered as in the published implementation:
  1  sharing: groups of r̂ inputs, the last one filled from the beginning, are summed; the output is repeated end to end
  2  decoupling: neighbouring inputs are summed, each output serves neighbours
  3  neighbouring inputs are summed, the output is repeated end to end
  4  groups of r̂ inputs are summed, each output serves neighbours
  6  rotation: each group is rotated by its position (RoPE, base 10000) before the shared M; the outputs of the groups are concatenated
"""
import math

import torch


def side(inputs, outputs, r, kind):
    """Returns r̂: M has as many parameters as LoRA's A and B of rank r, and an even side if pairs are rotated."""
    q = int(math.sqrt((inputs + outputs) * r) + 0.5)
    return q // 2 * 2 if kind == 6 else q


def neighbours(n, q):
    """Returns the group, of q groups, of each of n positions: groups are runs of neighbours, and the first n % q of them are longer by one."""
    return torch.arange(q).repeat_interleave(torch.tensor([n // q + (g < n % q) for g in range(q)]))


def rotate(x):
    """RoPE over the last dimension, halves paired; the second-last dimension is the position."""
    groups, q = x.shape[-2:]
    angle = torch.outer(torch.arange(groups).float(), 1.0 / 10000 ** (torch.arange(0, q, 2).float() / q))
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def compress(x, q, kind):
    n = x.shape[-1]
    if kind in (2, 3):
        return torch.zeros(*x.shape[:-1], q, dtype=x.dtype).index_add(-1, neighbours(n, q), x)
    groups = -(-n // q)
    x = torch.cat([x, x[..., : groups * q - n]], -1).unflatten(-1, (groups, q))
    return rotate(x) if kind == 6 else x.sum(-2)


def decompress(z, outputs, q, kind):
    if kind in (2, 4):
        return z[..., neighbours(outputs, q)]
    if kind == 6:
        z = z.flatten(-2)
    return torch.cat([z] * -(-outputs // z.shape[-1]), -1)[..., :outputs]


def mora(x, m, outputs, kind):
    """Returns what the adapter adds to a layer's outputs: x is [..., inputs], m is [r̂, r̂]."""
    q = m.shape[0]
    return decompress(compress(x, q, kind) @ m.T, outputs, q, kind)


def delta_weight(m, inputs, outputs, kind):
    """ΔW, [outputs, inputs]."""
    return mora(torch.eye(inputs, dtype=m.dtype), m, outputs, kind).T
