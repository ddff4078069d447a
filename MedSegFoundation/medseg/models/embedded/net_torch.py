"""The operations of `net.forward` in torch, for training and for graphics cards."""

from __future__ import annotations

from typing import Any


def point(x: Any, weight: Any, bias: Any) -> Any:
    """Mix channels voxel by voxel."""
    return (weight @ x.flatten(1) + bias[:, None]).unflatten(1, x.shape[1:])


def conv(x: Any, weight: Any, bias: Any) -> Any:
    """3x3x3 convolution with zeros around."""
    from torch.nn.functional import conv3d

    return conv3d(x[None], weight, bias, padding=1)[0]


def halve(x: Any, weight: Any, bias: Any) -> Any:
    """2x2x2 blocks to one voxel; odd sizes repeat their last plane."""
    from torch.nn.functional import conv3d, pad

    k, j, i = (n % 2 for n in x.shape[1:])
    return conv3d(pad(x[None], (0, i, 0, j, 0, k), mode="replicate"), weight, bias, stride=2)[0]


def double(x: Any, weight: Any, like: Any) -> Any:
    """One voxel to 2x2x2, cropped to the size of ``like``."""
    from torch.nn.functional import conv_transpose3d

    whole = conv_transpose3d(x[None], weight, stride=2)[0]
    return whole[:, : like.shape[1], : like.shape[2], : like.shape[3]]


def bend(x: Any) -> Any:
    """The SiLU."""
    from torch.nn.functional import silu

    return silu(x)


def even(x: Any) -> Any:
    """Each voxel over the root mean square of its channels."""
    return x / (x.square().mean(0) + 1e-3).sqrt()
