"""Random parameters everywhere, so that none is neutral by chance."""

import torch
from torch import nn


def stirred(model, seed=0, dtype=torch.float64):
    """Random parameters and statistics everywhere except where they are frozen, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    model = model.to(dtype).eval()
    with torch.no_grad():
        for name, value in model.state_dict(keep_vars=True).items():
            frozen = isinstance(value, nn.Parameter) and not value.requires_grad
            if value.is_floating_point() and not frozen:
                draw = torch.randn(value.shape, generator=generator, dtype=torch.float64) * 0.4
                value.copy_(draw.abs() + 0.5 if name.endswith("running_var") else draw)
    return model
