"""The Gram matrix of the samples, which VICReg and Barlow Twins use where samples are few.

Shape legend: n samples, d dimensions.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def gram(z: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """zzᵀ; on a CPU by panels of its upper triangle, which are little more than half the work."""
    n = z.shape[0]
    if z.device.type != "cpu":
        return z @ z.T
    panels = [F.pad(z[i : i + 64] @ z[i:].T, (i, 0)) for i in range(0, n, 64)]
    upper = torch.cat(panels).triu()
    return upper + upper.triu(1).T
