"""Build a network from its configuration, and count its parameters (sections 3.4 and 3.6)."""

import warnings
from collections import OrderedDict
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_features, shown
from rcviz._core.memory import machine_memory
from rcviz.layers.batchnorm import RevCompBatchNorm1d
from rcviz.layers.conv import RevCompConv1d
from rcviz.layers.dense import RevCompLinear
from rcviz.layers.initializers import conv_limit, glorot_limit, uniform_
from rcviz.layers.pooling import RevCompMaxPool1d
from rcviz.layers.torch_internals import forward_pre_hooks
from rcviz.layers.weighted_sum import WeightedSum1d
from rcviz.models import fused
from rcviz.models.config import ModelConfig
from rcviz.models.runtime import check_module
from rcviz.models.settings import building, self_contained

_DEEP_LIFT = "captum.attr._core.deep_lift"


class SequenceModel(nn.Sequential):
    """A network of the paper: one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``.

    Its parts are named ``conv1, norm1, relu1, ..., pool, weighted_sum`` (or ``flatten``) and ``dense``; each is used
    once, so that hooks and attribution tools work.

    Attributes
    ----------
    config : ModelConfig
    fused : bool
        On a CPU in float32, compute convolution, normalisation, rectifier and pooling together (True by default), which
        gives the same numbers up to rounding in less time. The modules run one by one if a module was replaced or
        has a hook, if the input needs a gradient, and always with ``fused = False``.

    Examples
    --------
    >>> [name for name, _ in model.named_children()]
    ['conv1', 'norm1', 'relu1', 'pool', 'weighted_sum', 'dense']
    >>> model(torch.from_numpy(parts.test.one_hot(slice(0, 2)))).shape
    torch.Size([2, 1])
    """

    fused: bool = True
    draws_random = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(_layers(config))
        self.config = config

    @property
    def output_is(self) -> str:
        """Scale of the outputs that the configuration declares, "logit" or "value"."""
        return self.config.output_is

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):  # a part of the model is not a SequenceModel
            return nn.Sequential(OrderedDict(list(self.named_children())[index]))
        return super().__getitem__(index)

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "batch tasks"]:
        """Compute the logits."""
        check_features(x.shape, 4, self.config.sequence_length)
        if forward_pre_hooks(self):
            self._warn_of_deep_lift()
        if not (self.fused and fused.can_fuse(self, x)):
            return super().forward(x)
        *_, merge, dense = self
        return dense(merge(fused.pooled_features(self, x)))

    def extra_repr(self) -> str:
        """Describe in ``print(model)`` how the model is computed."""
        if not self.fused:
            return "fused=False: the modules run one by one"
        return (
            "fused=True: on a CPU in float32, convolution, normalisation, rectifier and pooling are computed together; "
            "model.fused = False runs the modules one by one"
        )

    def _warn_of_deep_lift(self) -> None:
        """Warn that the attributions of Captum's DeepLift do not add up for this model; Captum does not."""
        if any(getattr(hook, "__module__", "") == _DEEP_LIFT for hook in forward_pre_hooks(self)):
            warnings.warn(
                "Captum's DeepLift has no rule for RevCompMaxPool1d and loses that of nn.MaxPool1d after nn.ReLU, so "
                "that its attributions do not add up to the difference of the logits; use tangermeme's "
                "deep_lift_shap(rcviz.to_standard(model), ...), or see docs/other_tools.md",
                RuntimeWarning,
                stacklevel=2,
            )


@self_contained
def build_model(config: ModelConfig, *, seed: int = 0) -> SequenceModel:
    """Build a network with starting weights drawn from ``seed``; torch's global random state is not modified.

    Returns
    -------
    SequenceModel
        On the CPU, in float32 and training mode.

    Raises
    ------
    ValueError
        If the weights need more than this machine's memory.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.count_parameters(rcviz.build_model(rcviz.ModelConfig.simulated("revcomp")))
    1983
    """
    n_channels = [4, *(config.n_channels for _ in config.kernel_sizes)]
    n_weights = sum(n * config.n_filters * width for n, width in zip(n_channels[:-1], config.kernel_sizes, strict=True))
    n_weights += n_channels[-1] * config.pooled_length + config.n_tasks
    if 4 * n_weights > machine_memory():
        raise ValueError(
            f"n_filters={config.n_filters} and kernel_sizes={shown(config.kernel_sizes)} give {n_weights:.1e} weights, "
            f"more than this machine's memory: choose fewer or smaller filters"
        )
    with building(seed):
        return SequenceModel(config)


def _layers(config: ModelConfig) -> OrderedDict[str, nn.Module]:
    tied = config.architecture == "revcomp"
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 4
    eps, momentum = config.batchnorm_eps, config.batchnorm_momentum
    for depth, width in enumerate(config.kernel_sizes, start=1):
        if tied:
            layers[f"conv{depth}"] = RevCompConv1d(channels, config.n_filters, width, initializer=config.initializer)
            layers[f"norm{depth}"] = RevCompBatchNorm1d(config.n_channels, eps=eps, momentum=momentum)
        else:
            conv = nn.Conv1d(channels, config.n_filters, width)
            _initialize(conv, conv_limit(config.n_filters, channels, width, initializer=config.initializer))
            layers[f"conv{depth}"] = conv
            layers[f"norm{depth}"] = nn.BatchNorm1d(config.n_channels, eps=eps, momentum=momentum)
        layers[f"relu{depth}"] = nn.ReLU()
        channels = config.n_channels
    pooling = (config.pool_size, config.pool_stride)
    layers["pool"] = RevCompMaxPool1d(*pooling, edge="trim") if tied else nn.MaxPool1d(*pooling)
    if config.head == "weighted_sum":
        layers["weighted_sum"] = WeightedSum1d(
            channels, config.pooled_length, revcomp=tied, symmetric=config.symmetric, smoothness=config.smoothness
        )
        features = channels
    else:
        # Flattening (channel, position) keeps features i and n-1-i partners, so that the tied dense layer may follow.
        layers["flatten"] = nn.Flatten()
        features = channels * config.pooled_length
    dense: RevCompLinear | nn.Linear
    if tied:
        dense = RevCompLinear(features, config.n_tasks)
    else:
        dense = nn.Linear(features, config.n_tasks)
        _initialize(dense, glorot_limit(features, config.n_tasks))
    if config.freeze_output:
        nn.init.ones_(dense.weight)
        dense.requires_grad_(False)
    layers["dense"] = dense
    return layers


def _initialize(layer: nn.Conv1d | nn.Linear, limit: float) -> None:
    uniform_(layer.weight, limit)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


def count_parameters(model: nn.Module) -> int:
    """Count the trainable parameters, as stored (section 3.6).

    Examples
    --------
    >>> import rcviz
    >>> rcviz.count_parameters(rcviz.build_model(rcviz.ModelConfig.simulated("standard")))
    2283
    """
    check_module(model)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def parameter_table(model: nn.Module) -> pd.DataFrame:
    """Tabulate the layers that have parameters, in order of use, as section 3.6 does.

    Returns
    -------
    DataFrame
        ``layer`` (dotted name), ``kind`` (class), ``shape`` of the weight as stored, ``parameters`` (count of weights
        and biases), ``trainable`` (whether they are learned).

    Examples
    --------
    >>> import rcviz
    >>> rcviz.parameter_table(rcviz.build_model(rcviz.ModelConfig.simulated("revcomp")))
              layer                kind        shape  parameters  trainable
    0         conv1       RevCompConv1d  (20, 4, 21)        1700       True
    1         norm1  RevCompBatchNorm1d        (20,)          40       True
    2  weighted_sum       WeightedSum1d      (20, 9)         180       True
    3         dense       RevCompLinear      (3, 20)          63       True
    """
    check_module(model)
    rows = []
    for name, module in model.named_modules():
        own = list(module.parameters(recurse=False))
        if own:
            count, trainable = sum(tensor.numel() for tensor in own), any(tensor.requires_grad for tensor in own)
            rows.append((name, type(module).__name__, tuple(own[0].shape), count, trainable))
    return pd.DataFrame(rows, columns=["layer", "kind", "shape", "parameters", "trainable"])
