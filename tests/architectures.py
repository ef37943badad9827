"""Small re-creations of published architectures, in plain torch, and how each is declared to rcviz.

Layers, their order, their shapes and the form of inputs and outputs are those of the papers; sizes are not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

LENGTH = 48


class Basset(nn.Module):
    """Kelley et al. 2016, in the port to torch: Conv2d on (batch, 4, length, 1), batch norm, ReLU, pooling, dense."""

    def __init__(self, length=LENGTH, n_tasks=3):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 6, (7, 1)), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 5, (5, 1)), nn.BatchNorm2d(5)
        self.relu, self.pool1, self.pool2 = nn.ReLU(), nn.MaxPool2d((3, 1)), nn.MaxPool2d((2, 1))
        n_positions = ((length - 6) // 3 - 4) // 2
        self.fc1, self.fc2 = nn.Linear(5 * n_positions, 8), nn.Linear(8, n_tasks)

    def forward(self, x):
        x = self.pool1(self.relu(self.bn1(self.conv1(x))))
        x = self.pool2(self.relu(self.bn2(self.conv2(x))))
        x = F.dropout(F.relu(self.fc1(x.flatten(1))), 0.3, self.training)
        return torch.sigmoid(self.fc2(x))


class DeepSEA(nn.Module):
    """Zhou and Troyanskaya 2015: Conv2d on (batch, 4, 1, length), ReLU, pooling, dropout, dense, sigmoid."""

    def __init__(self, length=LENGTH, n_tasks=3):
        super().__init__()
        n_positions = (length - 6) // 3 - 4
        self.model = nn.Sequential(
            nn.Conv2d(4, 6, (1, 7)),
            nn.ReLU(),
            nn.MaxPool2d((1, 3), (1, 3)),
            nn.Dropout(0.2),
            nn.Conv2d(6, 5, (1, 5)),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(5 * n_positions, 8),
            nn.ReLU(),
            nn.Linear(8, n_tasks),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.model(x)


class Beluga(nn.Module):
    """Zhou et al. 2018: two Conv2d before each pooling, on (batch, 4, 1, length), logits."""

    def __init__(self, length=LENGTH, n_tasks=2):
        super().__init__()
        self.model = nn.Sequential(
            nn.Sequential(nn.Conv2d(4, 6, (1, 7)), nn.ReLU(), nn.Conv2d(6, 6, (1, 5)), nn.ReLU()),
            nn.Sequential(nn.Dropout(0.2), nn.MaxPool2d((1, 2), (1, 2)), nn.Conv2d(6, 5, (1, 5)), nn.ReLU()),
        )
        self.head = nn.Sequential(nn.Linear(5 * ((length - 10) // 2 - 4), 8), nn.ReLU(), nn.Linear(8, n_tasks))

    def forward(self, x):
        return self.head(self.model(x).flatten(1))


class DanQ(nn.Module):
    """Quang and Xie 2016: one convolution, pooling, a recurrent layer in both directions, dense layers, a sigmoid."""

    def __init__(self, length=LENGTH, n_tasks=2):
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 7)
        self.lstm = nn.LSTM(6, 4, batch_first=True, bidirectional=True)
        self.dense, self.out = nn.Linear(8 * ((length - 6) // 6), 8), nn.Linear(8, n_tasks)

    def forward(self, x):
        x = F.dropout(F.max_pool1d(F.relu(self.conv(x)), 6), 0.2, self.training)
        x, _ = self.lstm(x.transpose(1, 2))
        return torch.sigmoid(self.out(F.relu(self.dense(x.flatten(1)))))


class BPNet(nn.Module):
    """Avsec et al. 2021, as in bpnet-lite: sequence and control tracks in; a profile per strand and log counts out."""

    def __init__(self, n_filters=5, n_layers=2, n_controls=2, n_strands=2):
        super().__init__()
        self.iconv, self.irelu = nn.Conv1d(4, n_filters, 7, padding=3), nn.ReLU()
        self.rconvs = nn.ModuleList(
            nn.Conv1d(n_filters, n_filters, 3, padding=2**i, dilation=2**i) for i in range(1, n_layers + 1)
        )
        self.rrelus = nn.ModuleList(nn.ReLU() for _ in range(n_layers))
        self.fconv = nn.Conv1d(n_filters + n_controls, n_strands, 9, padding=4)
        self.linear = nn.Linear(n_filters + 1, 1)
        self.trim = 4

    def forward(self, x, x_ctl):
        x = self.irelu(self.iconv(x))
        for conv, relu in zip(self.rconvs, self.rrelus, strict=True):
            x = torch.add(x, relu(conv(x)))
        inside = slice(self.trim, x.shape[2] - self.trim)
        profile = self.fconv(torch.cat([x, x_ctl], dim=1))[:, :, inside]
        controls = torch.log1p(x_ctl[:, :, inside].sum(dim=(1, 2)))[:, None]
        return profile, self.linear(torch.cat([x[:, :, inside].mean(dim=2), controls], dim=1))


class _Residual(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.layers(x)


class _Gelu(nn.Module):
    def forward(self, x):
        return torch.sigmoid(1.702 * x) * x


def _conv_block(n_in, n_out, width):
    return nn.Sequential(nn.BatchNorm1d(n_in), _Gelu(), nn.Conv1d(n_in, n_out, width, padding=width // 2))


class _AttentionPool(nn.Module):
    """Weighted mean of neighbouring positions, with learned weights."""

    def __init__(self, n_channels):
        super().__init__()
        self.to_weights = nn.Conv2d(n_channels, n_channels, 1, bias=False)

    def forward(self, x):
        x = x.unflatten(2, (-1, 2))
        return (x * self.to_weights(x).softmax(dim=3)).sum(dim=3)


class _Attention(nn.Module):
    """Self-attention with a term for the distance."""

    def __init__(self, dim=8, heads=2):
        super().__init__()
        self.heads, self.to_qkv, self.out = heads, nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)
        self.slope = nn.Parameter(torch.rand(heads))

    def forward(self, x):
        q, k, v = self.to_qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        positions = torch.arange(x.shape[1], device=x.device)
        distance = (positions[:, None] - positions).abs() * self.slope[:, None, None]
        weights = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3]) - distance).softmax(dim=3)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class Enformer(nn.Module):
    """Avsec et al. 2021: reads (batch, length, 4); stem, tower of convolutions, transformer; tracks of each species."""

    def __init__(self, n_tracks=2):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv1d(4, 6, 7, padding=3), _Residual(_conv_block(6, 6, 1)), _AttentionPool(6))
        self.conv_tower = nn.Sequential(
            nn.Sequential(_conv_block(6, 8, 5), _Residual(_conv_block(8, 8, 1)), _AttentionPool(8))
        )
        self.transformer = nn.Sequential(
            _Residual(nn.LayerNorm(8), _Attention()),
            _Residual(nn.LayerNorm(8), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8)),
        )
        self.final_pointwise = nn.Sequential(nn.Linear(8, 12), nn.Dropout(0.1), _Gelu())
        self.heads = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(12, n_tracks), nn.Softplus()) for name in ("human", "mouse")}
        )

    def forward(self, x):
        x = self.conv_tower(self.stem(x.transpose(1, 2)))
        x = self.final_pointwise(self.transformer(x.transpose(1, 2)))
        return {name: head(x) for name, head in self.heads.items()}


class Sei(nn.Module):
    """Chen et al. 2022: linear and nonlinear convolutions side by side, dilated convolutions, splines, a sigmoid."""

    def __init__(self, length=LENGTH, n_tasks=2):
        super().__init__()
        self.lconv1 = nn.Sequential(nn.Conv1d(4, 6, 7, padding=3), nn.Conv1d(6, 6, 7, padding=3))
        self.conv1 = nn.Sequential(nn.Conv1d(6, 6, 7, padding=3), nn.ReLU(), nn.Conv1d(6, 6, 7, padding=3), nn.ReLU())
        self.lconv2 = nn.Sequential(nn.MaxPool1d(4, 4), nn.Dropout(0.2), nn.Conv1d(6, 8, 5, padding=2))
        self.conv2 = nn.Sequential(nn.Conv1d(8, 8, 5, padding=2), nn.ReLU(inplace=True))
        self.dconvs = nn.ModuleList(
            nn.Sequential(nn.Conv1d(8, 8, 3, dilation=d, padding=d), nn.ReLU(inplace=True)) for d in (2, 4)
        )
        positions = torch.linspace(0, 1, length // 4)
        self.register_buffer("spline", torch.stack([positions**k for k in range(4)], dim=1))
        self.classifier = nn.Sequential(nn.Linear(8 * 4, 8), nn.ReLU(inplace=True), nn.Linear(8, n_tasks), nn.Sigmoid())

    def forward(self, x):
        linear = self.lconv1(x)
        linear = self.lconv2(self.conv1(linear) + linear)
        y = self.conv2(linear) + linear
        for conv in self.dconvs:
            y = y + conv(y)
        return self.classifier((y @ self.spline).flatten(1))


class NonStrandSpecific(nn.Module):
    """Selene's wrapper: the model on the sequence, then on its reverse complement; their mean."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return (self.model(x) + self.model(x.flip(1, 2))) / 2


class _Mixer(nn.Module):
    """A gated convolution over the whole sequence, in the place of Hyena's or Mamba's."""

    def __init__(self, dim):
        super().__init__()
        self.norm, self.to_gates, self.out = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.decay = nn.Parameter(torch.rand(dim))

    def forward(self, x):
        values, gates = self.to_gates(self.norm(x)).chunk(2, dim=2)
        steps = torch.arange(x.shape[1], device=x.device, dtype=x.dtype)
        kernel = torch.exp(-steps[:, None] * self.decay.abs())
        n = 2 * x.shape[1]
        mixed = torch.fft.irfft(torch.fft.rfft(values, n, dim=1) * torch.fft.rfft(kernel, n, dim=0), n, dim=1)
        return x + self.out(mixed[:, : x.shape[1]] * F.silu(gates))


class Caduceus(nn.Module):
    """Schiff et al. 2024, in the form with shared parameters: one model on both strands, a tuple of their results."""

    def __init__(self, n_tasks=2, dim=6):
        super().__init__()
        self.embed, self.act = nn.Conv1d(4, dim, 5, padding=2), nn.SiLU()
        self.mixers, self.score = nn.Sequential(_Mixer(dim), _Mixer(dim)), nn.Linear(dim, n_tasks)

    def strand(self, x):
        return self.score(self.mixers(self.act(self.embed(x)).transpose(1, 2)).mean(dim=1))

    def forward(self, x):
        return self.strand(x), self.strand(x.flip(1, 2))


class HyenaDNA(nn.Module):
    """Nguyen et al. 2023: token ids (batch, length) in, logits out."""

    def __init__(self, n_tasks=2, dim=6, n_tokens=12):
        super().__init__()
        self.embed, self.mixers = nn.Embedding(n_tokens, dim), nn.Sequential(_Mixer(dim), _Mixer(dim))
        self.head = nn.Linear(dim, n_tasks)

    def forward(self, input_ids):
        return self.head(self.mixers(self.embed(input_ids)).mean(dim=1))


def token_ids(x):
    """Token ids of HyenaDNA: A 7, C 8, G 9, T 10, N 11."""
    return torch.where(x.sum(dim=1) > 0, x.argmax(dim=1) + 7, 11)


def with_controls(x):
    """Sequence and two constant control tracks."""
    return x, x.new_ones(x.shape[0], 2, x.shape[2])


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One architecture and its declaration.

    Attributes
    ----------
    make : callable
        Builds the network.
    declared : dict
        Arguments of :func:`rcviz.as_sequence_model`.
    plain : callable
        From the network and one-hot ``(batch, 4, length)`` to logits or values, in plain torch.
    scale : str
    layer : str or None
        First convolution over the bases, as named in the network; None where there is none.
    neurons : str
        Module whose output has the neurons of ``at="auto"``, or the same gradient times output.
    uses : tuple of bool
        For every use of ``neurons`` in a forward pass that belongs to ``layer``: whether it reads the reverse strand.
    at : str
        Where ``at="auto"`` takes contributions: "activation" or "convolution".
    invariant : bool
        Whether both strands get the same output.
    """

    make: Callable[[], nn.Module]
    declared: dict[str, Any]
    plain: Callable[[Any, torch.Tensor], torch.Tensor]
    scale: str
    layer: str | None
    neurons: str | None
    uses: tuple[bool, ...] = (False,)
    at: str = "activation"
    invariant: bool = False


def _logit(network, x):
    return network(x).logit()


def _quarter(x):
    """Put 0.25 where the base is not known."""
    return torch.where(x.sum(dim=1, keepdim=True) > 0, x, 0.25)


ARCHITECTURES = {
    "basset": Architecture(
        make=Basset,
        declared={"layout": "NCL1", "output_is": "probability"},
        plain=lambda network, x: network(x[..., None]).logit(),
        scale="probability",
        layer="conv1",
        neurons="relu",
    ),
    "deepsea": Architecture(
        make=DeepSEA,
        declared={"layout": "NC1L", "output_is": "probability"},
        plain=lambda network, x: network(x[:, :, None]).logit(),
        scale="probability",
        layer="model.0",
        neurons="model.1",
    ),
    "beluga": Architecture(
        make=Beluga,
        declared={"layout": "NC1L", "bases": "AGCT"},
        plain=lambda network, x: network(x[:, [0, 2, 1, 3], None]),
        scale="logit",
        layer="model.0.0",
        neurons="model.0.1",
    ),
    "danq": Architecture(
        make=DanQ,
        declared={"output_is": "probability"},
        plain=_logit,
        scale="probability",
        layer="conv",
        neurons="conv",  # a rectifier follows: gradient times output is the same before it
    ),
    "bpnet": Architecture(
        make=BPNet,
        declared={"inputs": with_controls, "output": 1, "output_is": "value"},
        plain=lambda network, x: network(*with_controls(x))[1],
        scale="value",
        layer="iconv",
        neurons="irelu",
    ),
    "enformer": Architecture(
        make=Enformer,
        declared={"layout": "NLC", "output": lambda y: y["human"].mean(dim=1), "output_is": "value"},
        plain=lambda network, x: network(x.transpose(1, 2))["human"].mean(dim=1),
        scale="value",
        layer="stem.0",
        neurons="stem.0",
        at="convolution",
    ),
    "sei": Architecture(
        make=Sei,
        declared={"output_is": "probability", "unknown": 0.25},
        plain=lambda network, x: network(_quarter(x)).logit(),
        scale="probability",
        layer="lconv1.0",
        neurons="lconv1.0",
        at="convolution",
    ),
    "selene": Architecture(
        make=lambda: NonStrandSpecific(Sei()),
        declared={"output_is": "probability", "unknown": 0.25},
        plain=lambda network, x: network(_quarter(x)).logit(),
        scale="probability",
        layer="model.lconv1.0",
        neurons="model.lconv1.0",
        uses=(False, True),
        at="convolution",
        invariant=True,
    ),
    "caduceus": Architecture(
        make=Caduceus,
        declared={"output": lambda y: (y[0] + y[1]) / 2},
        plain=lambda network, x: sum(network(x)) / 2,
        scale="logit",
        layer="embed",
        neurons="act",
        uses=(False, True),
        invariant=True,
    ),
    "hyenadna": Architecture(
        make=HyenaDNA,
        declared={"inputs": token_ids},
        plain=lambda network, x: network(token_ids(x)),
        scale="logit",
        layer=None,
        neurons="embed",
    ),
}


def built(name, dtype=torch.float64):
    """Build a network in evaluation mode whose weights, and running statistics, are always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = ARCHITECTURES[name].make().to(dtype)
        for part in network.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.3)
                part.running_var.uniform_(0.5, 2)
    return network.eval()
