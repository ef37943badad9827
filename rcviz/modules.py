"""What every floor asks of an ``nn.Module``: a forward pass that leaves it as found, its device, a part by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every part of ``model`` into evaluation mode for a while; afterwards each is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Compute float32 as float32: TF32 on a GPU would open a gap between the strands of 1e-3 instead of 1e-6.

    Also asks cuDNN for deterministic algorithms. All settings are given back afterwards.
    """
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    if hasattr(matmul, "fp32_precision"):  # torch 2.9 and later refuse the older switches next to these
        wanted: list[tuple[Any, str, Any]] = [
            (matmul, "fp32_precision", "ieee"),
            (cudnn.conv, "fp32_precision", "ieee"),
        ]
    else:
        wanted = [(matmul, "allow_tf32", False), (cudnn, "allow_tf32", False)]
    wanted += [(cudnn, "deterministic", True), (cudnn, "benchmark", False)]
    before = [getattr(where, name) for where, name, _ in wanted]
    try:
        for where, name, value in wanted:
            setattr(where, name, value)
        yield
    finally:
        for (where, name, _), value in zip(wanted, before, strict=True):
            setattr(where, name, value)


def place(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and floating-point type of a model, those of its first floating tensor."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def one_hot_batch(codes: UInt8[np.ndarray, "batch length"], model: nn.Module) -> Float[Tensor, "batch 4 length"]:
    """One-hot floats of one batch on the model's device and in its type; an N is an all-zero column."""
    device, dtype = place(model)
    bases = torch.arange(4, dtype=torch.uint8, device=device)
    return (torch.from_numpy(codes).to(device)[:, None, :] == bases[:, None]).to(dtype)


def find_module(model: nn.Module, layer: nn.Module | str) -> tuple[str, nn.Module]:
    """Return name and module of a part of ``model`` given as either one; an error lists the names there are."""
    parts = dict(model.named_modules())
    for name, part in parts.items():
        if part is layer or name == layer:
            return name, part
    known = ", ".join(name for name in parts if name) or "none"
    wanted = f"named {layer!r}" if isinstance(layer, str) else f"that is the given {type(layer).__name__}"
    raise ValueError(f"the model has no layer {wanted}; its layers are: {known}")


def to_numpy(tensor: Tensor) -> np.ndarray:
    """Bring a tensor to NumPy, which has no bfloat16."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
