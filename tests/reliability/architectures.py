"""Random architectures: whatever ModelConfig can describe, and layers put behind each other by hand.

Nothing is drawn to be thrown away: lengths are built up from what follows, so that every draw is a network. What is
known of one without asking it, such as its number of parameters, is reckoned here from section 3.6 and the layers' own
descriptions, beside the layer and never from it.
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from torch import nn

import rcviz

N_SEQUENCES = 4
WIDTHS, FILTERS, SEEDS = st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1)


@st.composite
def configs(draw, architectures=("revcomp", "standard")):
    """Any network of section 3.4, small."""
    architecture = draw(st.sampled_from(architectures))
    kernel_sizes = tuple(draw(st.lists(WIDTHS, min_size=1, max_size=3)))
    stride, pooled = draw(WIDTHS), draw(st.integers(1, 5))
    pool = draw(WIDTHS)
    rest = draw(st.integers(0, stride - 1))
    if architecture == "revcomp":
        rest -= rest % 2
    head = draw(st.sampled_from(["weighted_sum", "flatten", None]))
    n_tasks = draw(st.integers(1, 3))
    summed = head == "weighted_sum" or (head is None and architecture == "revcomp")
    return rcviz.ModelConfig(
        architecture=architecture,
        sequence_length=sum(width - 1 for width in kernel_sizes) + pool + (pooled - 1) * stride + rest,
        n_filters=draw(FILTERS),
        kernel_sizes=kernel_sizes,
        pool_size=pool,
        pool_stride=stride,
        n_tasks=n_tasks,
        head=head,
        freeze_output=draw(st.booleans()) if summed and n_tasks == 1 else False,
        initializer=draw(st.sampled_from(["glorot", "keras1"])),
        batchnorm_eps=draw(st.sampled_from([1e-3, 1e-2])),
        batchnorm_momentum=draw(st.sampled_from([0.01, 0.1, 1.0])),
        symmetric=draw(st.booleans()),
        smoothness=draw(st.sampled_from([0.0, 0.5])),
    )


def counted(config):
    """Trainable numbers of section 3.6, layer by layer; a symmetric weighted sum stores the nearer half."""
    sides = 2 if config.architecture == "revcomp" else 1
    total, channels = 0, 4
    for width in config.kernel_sizes:
        total += config.n_filters * (channels * width + 1) + 2 * config.n_filters
        channels = sides * config.n_filters
    positions = config.sequence_length - sum(config.kernel_sizes) + len(config.kernel_sizes)
    pooled = 1 + (positions - config.pool_size) // config.pool_stride
    if config.head == "weighted_sum":
        total += config.n_filters * ((pooled + 1) // 2 if config.symmetric else pooled)
    inputs = config.n_filters * (1 if config.head == "weighted_sum" else pooled)
    return total + (0 if config.freeze_output else config.n_tasks * (inputs + 1))


@dataclass
class Composed:
    """A network put together by hand, and what must be true of it.

    Attributes
    ----------
    n_parameters : int
        By the formula of every layer that was added.
    refused : set of str
        Classes of layers that plain torch modules behind each other cannot express.
    """

    length: int
    channels: int = 4
    layers: list = field(default_factory=list)
    n_parameters: int = 0
    refused: set = field(default_factory=set)
    positions: int = 0

    def __post_init__(self):
        self.positions = self.length

    def add(self, layer, n_parameters=0):
        self.layers.append(layer)
        self.n_parameters += n_parameters

    def network(self):
        return nn.Sequential(*self.layers)


@st.composite
def composed(draw, kinds=("block", "bare", "pool", "dropout", "residual", "attention", "irreps"), *, kmers=True):
    """Tied layers in any order: what is drawn next fits what is there."""
    made = Composed(draw(st.integers(24, 40)))
    if kmers and draw(st.booleans()):
        k = draw(st.integers(1, 3))
        made.add(rcviz.RevCompKmers1d(k))
        made.refused.add("RevCompKmers1d")
        made.channels = 4**k + (2**k if k % 2 == 0 else 0)
        made.positions -= k - 1
    block(draw, made)
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=4)):
        ADDED[kind](draw, made)
    end(draw, made)
    return made


def convolution(draw, made, n_filters=None, *, shortens=True):
    """A tied convolution that fits the positions there are; without ``shortens`` one that keeps them."""
    n_filters = draw(FILTERS) if n_filters is None else n_filters
    if shortens:
        width = draw(st.integers(1, min(6, made.positions)))
        dilation = 1 if width == 1 else draw(st.integers(1, min(3, (made.positions - 1) // (width - 1))))
        reach = dilation * (width - 1) + 1
        padding = draw(st.sampled_from(["valid", 0, 1, 2, *(["same"] if reach % 2 else [])]))
        pad = {"valid": 0, "same": reach // 2}.get(padding, padding)
        spare = made.positions + 2 * pad - reach
        strides = [stride for stride in (1, 2, 3) if spare % stride == 0] if padding != "same" else [1]
        stride = draw(st.sampled_from(strides))
        made.positions = spare // stride + 1
    else:
        width, dilation, padding, stride = draw(st.sampled_from([1, 3, 5])), draw(st.integers(1, 2)), "same", 1
    bias = draw(st.booleans())
    layer = rcviz.RevCompConv1d(
        made.channels, n_filters, width, stride=stride, padding=padding, dilation=dilation, bias=bias,
        initializer=draw(st.sampled_from(["glorot", "keras1"])),
    )  # fmt: skip
    count = n_filters * made.channels * width + (n_filters if bias else 0)
    made.channels = 2 * n_filters
    return layer, count


def bare(draw, made):
    made.add(*convolution(draw, made))


def block(draw, made):
    bare(draw, made)
    affine = draw(st.booleans())
    made.add(rcviz.RevCompBatchNorm1d(made.channels, affine=affine), made.channels if affine else 0)
    made.add(nn.ReLU())


def pool(draw, made):
    size, stride = draw(st.integers(1, min(4, made.positions))), draw(st.integers(1, 4))
    rest = (made.positions - size) % stride
    if rest % 2:
        stride, rest = 1, 0
    kind = draw(st.sampled_from([rcviz.RevCompMaxPool1d, rcviz.RevCompAvgPool1d]))
    made.add(kind(size, stride, edge="trim" if rest else draw(st.sampled_from(["trim", "strict"]))))
    made.positions = (made.positions - size - rest) // stride + 1


def dropout(draw, made):
    made.add(rcviz.RevCompDropout1d(draw(st.sampled_from([0.1, 0.5]))))


def residual(draw, made):
    before = made.channels
    n_filters = draw(st.sampled_from([None, before // 2]))
    layer, count = convolution(draw, made, n_filters, shortens=False)
    shortcut = None
    if made.channels != before:
        shortcut = rcviz.RevCompConv1d(before, made.channels // 2, 1, bias=False)
        count += made.channels // 2 * before
    made.add(rcviz.RevCompResidual1d(nn.Sequential(layer, nn.ReLU()), shortcut=shortcut), count)
    made.refused.add("RevCompResidual1d")


def attention(draw, made):
    n, half = made.channels, made.channels // 2
    heads = draw(st.sampled_from([heads for heads in range(1, half + 1) if half % heads == 0]))
    far = draw(st.integers(0, 5))
    made.add(rcviz.RevCompSelfAttention1d(n, heads, max_distance=far), 4 * half * n + 3 * half + heads * (2 * far + 1))
    made.refused.add("RevCompSelfAttention1d")


def irreps(draw, made):
    """Pairs, then channels of type +1 and -1 in unequal numbers, then pairs again."""
    plus, minus, back = draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.integers(1, 3))
    plus += not plus + minus
    half = made.channels // 2
    made.add(rcviz.PairsToIrreps1d())
    for (pi, mi), (po, mo) in (((half, half), (plus, minus)), ((plus, minus), (back, back))):
        width = draw(st.sampled_from([1, 3, 5]))
        middle = pi * po + mi * mo
        bias = draw(st.booleans())
        made.add(
            rcviz.IrrepConv1d((pi, mi), (po, mo), width, padding="same", bias=bias),
            (pi + mi) * (po + mo) * (width // 2) + middle + (po if bias else 0),
        )
        made.add(rcviz.IrrepBatchNorm1d(po, mo), 2 * po + mo)
        if (po, mo) == (plus, minus):
            made.add(rcviz.IrrepActivation1d(po, mo))
    made.add(rcviz.IrrepsToPairs1d())
    made.channels = 2 * back
    if plus and minus:
        made.refused.add("IrrepActivation1d")


ADDED = {
    "block": block, "bare": bare, "pool": pool, "dropout": dropout, "residual": residual, "attention": attention,
    "irreps": irreps,
}  # fmt: skip


def end(draw, made):
    """From feature maps to logits, in each of the ways that read both strands alike."""
    n, n_tasks, bias = made.channels, draw(st.integers(1, 3)), draw(st.booleans())
    how = draw(st.sampled_from(["sum", "flatten", "global"]))
    if how == "sum":
        symmetric = draw(st.booleans())
        stored = (made.positions + 1) // 2 if symmetric else made.positions
        made.add(
            rcviz.WeightedSum1d(n, made.positions, symmetric=symmetric, bias=bias),
            n // 2 * (stored + (1 if bias else 0)),
        )
        made.add(rcviz.RevCompLinear(n, n_tasks), n_tasks * (n // 2 + 1))
    elif how == "flatten":
        made.add(nn.Flatten())
        made.add(
            rcviz.RevCompLinear(n * made.positions, n_tasks, bias=bias), n_tasks * (n // 2 * made.positions + bias)
        )
    else:
        made.add(rcviz.RevCompGlobalPool1d(draw(st.sampled_from(["max", "mean"]))))
        made.add(nn.Linear(n // 2, n_tasks), n_tasks * (n // 2 + 1))


def codes(length, seed):
    """Random sequences, one base in ten unknown."""
    letters = np.random.default_rng(seed).choice(5, (N_SEQUENCES, length), p=[0.225] * 4 + [0.1])
    return letters.astype(np.uint8)
