"""Networks whose every number is drawn."""

import pytest
import torch
from torch import nn


@pytest.fixture
def stirred():
    """Random parameters and statistics in float64, in evaluation mode; what is frozen stays as it is."""

    def stir(model: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        model = model.double().eval()
        with torch.no_grad():
            for name, value in model.state_dict(keep_vars=True).items():
                frozen = isinstance(value, nn.Parameter) and not value.requires_grad
                if value.is_floating_point() and not frozen:
                    draw = torch.randn(value.shape, generator=generator, dtype=torch.float64) * 0.4
                    value.copy_(draw.abs() + 0.5 if name.endswith("running_var") else draw)
        return model

    return stir
