"""What the paper says, as slow loops in float64: the independent word on every tied layer and model.

Written from sections 3.1, 3.4-3.7 and figures 8 and 9 alone. Partners are found by index arithmetic
(channel i with n-1-i, position p with l-1-p) and never by flipping a tensor, so that a forgotten or a
misplaced flip in the library has nothing here to agree with. Arrays are (batch, channels, length).
"""

import itertools
from collections.abc import Mapping
from math import sqrt
from types import SimpleNamespace

import numpy as np

EPS = 1e-3  # the original's batch-norm default, for tied and plain layers alike


def partner(index: int, size: int) -> int:
    """Index of the RC channel of ``index``, or of its mirrored position (figure 8)."""
    return size - 1 - index


def opposite_strand(x):
    """Reverse complement of (batch, channels, length), entry by entry."""
    x = np.asarray(x, dtype=np.float64)
    batch, channels, length = x.shape
    y = np.empty_like(x)
    for n, c, p in itertools.product(range(batch), range(channels), range(length)):
        y[n, partner(c, channels), partner(p, length)] = x[n, c, p]
    return y


# ---------------------------------------------------------------------------------------------------
# 3.1.1  Convolution
# ---------------------------------------------------------------------------------------------------


def conv(x, weight_at, n_out, kernel, stride=1, dilation=1, pads=(0, 0)):
    """Cross-correlation of x with ``weight_at(out_channel, in_channel, tap)``, zeros outside."""
    x = np.asarray(x, dtype=np.float64)
    batch, channels, length = x.shape
    reach = dilation * (kernel - 1) + 1
    out_length = (length + pads[0] + pads[1] - reach) // stride + 1
    taps = [[[float(weight_at(o, c, k)) for k in range(kernel)] for c in range(channels)] for o in range(n_out)]
    y = np.zeros((batch, n_out, out_length))
    for n in range(batch):
        rows = x[n].tolist()
        for o, p in itertools.product(range(n_out), range(out_length)):
            total = 0.0
            for k in range(kernel):
                at = p * stride - pads[0] + k * dilation
                if 0 <= at < length:
                    for c in range(channels):
                        total += taps[o][c][k] * rows[c][at]
            y[n, o, p] = total
    return y


def conv_standard(x, w, b=None, stride=1, dilation=1, pads=(0, 0)):
    """Plain convolution, one output channel per filter; w is (F, C, K)."""
    w = np.asarray(w, dtype=np.float64)
    y = conv(x, lambda o, c, k: w[o, c, k], w.shape[0], w.shape[2], stride, dilation, pads)
    if b is not None:
        for o in range(w.shape[0]):
            y[:, o, :] += float(b[o])
    return y


def conv_revcomp(x, w, b=None, stride=1, dilation=1, pads=(0, 0)):
    """Filters, then their RCs "appended as additional channels in the opposite order" (figure 8).

    Channel o < F is filter o; channel 2F-1-o is its reverse complement: "length and channel axes are
    inverted".
    """
    w = np.asarray(w, dtype=np.float64)
    n_filters, channels, kernel = w.shape

    def weight_at(o, c, k):
        if o < n_filters:
            return w[o, c, k]
        return w[partner(o, 2 * n_filters), partner(c, channels), partner(k, kernel)]

    y = conv(x, weight_at, 2 * n_filters, kernel, stride, dilation, pads)
    if b is not None:
        for f in range(n_filters):
            y[:, f, :] += float(b[f])
            y[:, partner(f, 2 * n_filters), :] += float(b[f])
    return y


# ---------------------------------------------------------------------------------------------------
# 3.1.2  Batch normalisation
# ---------------------------------------------------------------------------------------------------


def pooled_statistics(x):
    """Mean, biased and unbiased variance of each channel together with its RC partner, (F,) each."""
    x = np.asarray(x, dtype=np.float64)
    batch, channels, length = x.shape
    n_filters = channels // 2
    mean, biased, unbiased = np.zeros(n_filters), np.zeros(n_filters), np.zeros(n_filters)
    for f in range(n_filters):
        values = [float(x[n, c, p]) for n in range(batch) for c in (f, partner(f, channels)) for p in range(length)]
        mean[f] = sum(values) / len(values)
        squares = sum((value - mean[f]) ** 2 for value in values)
        biased[f] = squares / len(values)
        unbiased[f] = squares / (len(values) - 1)
    return mean, biased, unbiased


def batchnorm_with(x, gamma, beta, mean, variance, eps=EPS):
    """Normalise the channels f and n-1-f alike with the f-th statistics (evaluation mode)."""
    x = np.asarray(x, dtype=np.float64)
    channels = x.shape[1]
    y = np.empty_like(x)
    for c in range(channels):
        f = min(c, partner(c, channels))
        scale = 1.0 if gamma is None else float(gamma[f])
        shift = 0.0 if beta is None else float(beta[f])
        y[:, c, :] = scale * (x[:, c, :] - float(mean[f])) / sqrt(float(variance[f]) + eps) + shift
    return y


def batchnorm_revcomp(x, gamma=None, beta=None, eps=EPS):
    """Training mode: (output, pooled mean, biased variance, unbiased variance)."""
    mean, biased, unbiased = pooled_statistics(x)
    return batchnorm_with(x, gamma, beta, mean, biased, eps), mean, biased, unbiased


def running(stored, observed, momentum):
    """Torch's sense of momentum: the weight of the newest batch (Keras' 0.99 is 0.01 here)."""
    return (1.0 - momentum) * np.asarray(stored, dtype=np.float64) + momentum * np.asarray(observed)


def batchnorm_standard(x, gamma, beta, mean, variance, eps=EPS):
    """Plain batch norm in evaluation mode, each channel by itself."""
    x = np.asarray(x, dtype=np.float64)
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        y[:, c, :] = float(gamma[c]) * (x[:, c, :] - float(mean[c])) / sqrt(float(variance[c]) + eps)
        y[:, c, :] += float(beta[c])
    return y


# ---------------------------------------------------------------------------------------------------
# 3.1.3  Weighted sum
# ---------------------------------------------------------------------------------------------------


def weighted_sum_weight(stored, channel, position, channels, length, revcomp=True, symmetric=False):
    """w_ic: the RC channel reads the forward one's weight at l-1-i; a symmetric one its nearer end."""
    if revcomp and channel >= channels // 2:
        channel, position = partner(channel, channels), partner(position, length)
    if symmetric:
        position = min(position, partner(position, length))
    return float(stored[channel, position])


def weighted_sum(x, stored, revcomp=True, symmetric=False):
    """y_c = sum_i w_ic x_ic (equation 1)."""
    x = np.asarray(x, dtype=np.float64)
    stored = np.asarray(stored, dtype=np.float64)
    batch, channels, length = x.shape
    y = np.zeros((batch, channels))
    for n, c, p in itertools.product(range(batch), range(channels), range(length)):
        y[n, c] += weighted_sum_weight(stored, c, p, channels, length, revcomp, symmetric) * x[n, c, p]
    return y


# ---------------------------------------------------------------------------------------------------
# 3.1.4  Dense layer, and pooling
# ---------------------------------------------------------------------------------------------------


def dense_revcomp(x, w, b=None):
    """Input i and input n-1-i carry the same weight; w is the stored (outputs, n/2)."""
    x = np.asarray(x, dtype=np.float64)
    w = np.asarray(w, dtype=np.float64)
    batch, inputs = x.shape
    y = np.zeros((batch, w.shape[0]))
    for n, o in itertools.product(range(batch), range(w.shape[0])):
        total = 0.0 if b is None else float(b[o])
        for i in range(inputs):
            total += w[o, min(i, partner(i, inputs))] * x[n, i]
        y[n, o] = total
    return y


def dense_standard(x, w, b=None):
    """Plain dense layer; w is (outputs, inputs)."""
    x = np.asarray(x, dtype=np.float64)
    w = np.asarray(w, dtype=np.float64)
    y = np.zeros((x.shape[0], w.shape[0]))
    for n, o in itertools.product(range(x.shape[0]), range(w.shape[0])):
        y[n, o] = sum(float(w[o, i]) * float(x[n, i]) for i in range(x.shape[1]))
        y[n, o] += 0.0 if b is None else float(b[o])
    return y


def max_pool(x, k, s):
    """Windows of k every s from the left end; what is left over at the right is dropped (3.6.3)."""
    x = np.asarray(x, dtype=np.float64)
    batch, channels, length = x.shape
    out_length = pooled_length(length, k, s)
    y = np.zeros((batch, channels, out_length))
    for n, c, p in itertools.product(range(batch), range(channels), range(out_length)):
        y[n, c, p] = max(float(x[n, c, p * s + i]) for i in range(k))
    return y


def max_pool_centred(x, k, s):
    """As many windows, an even remainder left out half at each end: both strands see the same windows."""
    x = np.asarray(x, dtype=np.float64)
    length = x.shape[2]
    rest = length - (k + (pooled_length(length, k, s) - 1) * s)
    assert rest % 2 == 0, "no placement of the windows is symmetric"
    return max_pool(x[:, :, rest // 2 : length - rest // 2], k, s)


def pooled_length(length, k, s):
    """1 + floor((length - k) / s), section 3.6.3."""
    return 1 + (length - k) // s


def relu(x):
    """Zero where negative."""
    return np.where(np.asarray(x) > 0, x, 0.0)


# ---------------------------------------------------------------------------------------------------
# 3.4  Whole models in evaluation mode
# ---------------------------------------------------------------------------------------------------


def description(config):
    """Copy of the few facts that the oracles need, from a mapping or from anything with these attributes."""
    names = (
        "architecture",
        "sequence_length",
        "n_filters",
        "kernel_sizes",
        "pool_size",
        "pool_stride",
        "n_tasks",
        "head",
    )
    if isinstance(config, Mapping):
        return SimpleNamespace(**{name: config[name] for name in names})
    return SimpleNamespace(**{name: getattr(config, name) for name in names})


def stored_parameters(model):
    """state_dict as float64 arrays."""
    return {name: value.detach().cpu().double().numpy() for name, value in model.state_dict().items()}


def convolution(d, params, x, index):
    """Output of convolution ``index`` (1-based)."""
    w, b = params[f"conv{index}.weight"], params.get(f"conv{index}.bias")
    return conv_revcomp(x, w, b) if d.architecture == "revcomp" else conv_standard(x, w, b)


def activation(d, params, x, index):
    """Batch norm and ReLU of block ``index``, from its convolution's output."""
    names = ("weight", "bias", "running_mean", "running_var")
    statistics = [params[f"norm{index}.{name}"] for name in names]
    norm = batchnorm_with if d.architecture == "revcomp" else batchnorm_standard
    return relu(norm(x, *statistics))


def head(d, params, x):
    """From the last activation to the logits: pooling, weighted sum or flattening, dense."""
    tied = d.architecture == "revcomp"
    x = (max_pool_centred if tied else max_pool)(x, d.pool_size, d.pool_stride)
    if d.head == "weighted_sum":
        x = weighted_sum(x, params["weighted_sum.weight"], revcomp=tied)
    else:
        batch, channels, length = x.shape
        flat = np.zeros((batch, channels * length))
        for c, p in itertools.product(range(channels), range(length)):
            flat[:, c * length + p] = x[:, c, p]
        x = flat
    return (dense_revcomp if tied else dense_standard)(x, params["dense.weight"], params["dense.bias"])


def forward(config, params, x):
    """Logits (N, T) of a one- or many-layer model from its stored parameters, in evaluation mode."""
    d = description(config)
    for index in range(1, len(d.kernel_sizes) + 1):
        x = activation(d, params, convolution(d, params, x, index), index)
    return head(d, params, x)


def forward_simulated(params, x):
    """Section 3.4.1, RC: width 21, pooling 20/20, weighted sum, three logits."""
    x = relu(_norm_rc(params, conv_revcomp(x, params["conv1.weight"], params["conv1.bias"]), 1))
    x = weighted_sum(max_pool(x, 20, 20), params["weighted_sum.weight"])
    return dense_revcomp(x, params["dense.weight"], params["dense.bias"])


def forward_chipseq(params, x):
    """Section 3.4.2, RC: widths 15, 14, 14, pooling 40/20, weighted sum, then a plain sum over channels."""
    for index in (1, 2, 3):
        x = conv_revcomp(x, params[f"conv{index}.weight"], params[f"conv{index}.bias"])
        x = relu(_norm_rc(params, x, index))
    x = weighted_sum(max_pool(x, 40, 20), params["weighted_sum.weight"])
    return x.sum(axis=1, keepdims=True)


def _norm_rc(params, x, index):
    names = ("weight", "bias", "running_mean", "running_var")
    return batchnorm_with(x, *(params[f"norm{index}.{name}"] for name in names))


# ---------------------------------------------------------------------------------------------------
# 3.6  Counting,  3.7  starting weights
# ---------------------------------------------------------------------------------------------------


def parameter_count(config, frozen_output=False):
    """The arithmetic of section 3.6, trainable parameters only."""
    d = description(config)
    tied = d.architecture == "revcomp"
    total, channels, length = 0, 4, d.sequence_length
    for width in d.kernel_sizes:
        total += channels * width * d.n_filters + d.n_filters
        channels = 2 * d.n_filters if tied else d.n_filters
        total += 2 * channels // 2 if tied else 2 * channels
        length -= width - 1
    length = pooled_length(length, d.pool_size, d.pool_stride)
    inputs = channels * length
    if d.head == "weighted_sum":
        total += channels * length // 2 if tied else channels * length
        inputs = channels
    if not frozen_output:
        total += (inputs // 2 if tied else inputs) * d.n_tasks + d.n_tasks
    return total


def glorot_limit(fan_in, fan_out):
    """Equation 2."""
    return sqrt(6.0 / (fan_in + fan_out))


def conv_limit(channels, n_filters, kernel, initializer="glorot"):
    """Glorot with the standard fans, or with those that Keras 1 read off its (K, 1, C, F) tensor.

    In Theano's order it took the first two axes for filters and inputs and the rest for the receptive
    field, hence fan_in = 1 * (C * F) and fan_out = K * (C * F).
    """
    if initializer == "keras1":
        return glorot_limit(1 * (channels * n_filters), kernel * (channels * n_filters))
    return glorot_limit(channels * kernel, n_filters * kernel)


def weighted_sum_limit(channels, length):
    """Equation 3 with its fans put in: sqrt(6 / (c l)), c counting the RC channels."""
    return sqrt(6.0 / (channels * length))


# ---------------------------------------------------------------------------------------------------
# 3.5  Contributions
# ---------------------------------------------------------------------------------------------------


def contributions(config, params, x, *, layer=1, at="activation", task=0, step=1e-6):
    """Sum over positions (and a filter's two channels) of d logit / d neuron times the neuron, (N, F).

    The derivative is a central difference of this file's own tail of the network, one neuron at a time.
    It refuses to answer near a kink, where the derivative does not exist: two equal maxima in a window.
    """
    d = description(config)
    scores = np.zeros((len(x), d.n_filters))
    for n in range(len(x)):
        neurons = np.asarray(x[n : n + 1], dtype=np.float64)
        for index in range(1, layer):
            neurons = activation(d, params, convolution(d, params, neurons, index), index)
        neurons = convolution(d, params, neurons, layer)
        if at == "activation":
            neurons = activation(d, params, neurons, layer)

        def logit(values):
            if at == "convolution":
                values = activation(d, params, values, layer)
            for index in range(layer + 1, len(d.kernel_sizes) + 1):
                values = activation(d, params, convolution(d, params, values, index), index)
            return float(head(d, params, values)[0, task])

        channels, length = neurons.shape[1:]
        for c, p in itertools.product(range(channels), range(length)):
            value = neurons[0, c, p]
            if value == 0.0:
                continue
            middle = neurons.copy()
            slopes = []
            for sign in (1.0, -1.0):
                moved = middle.copy()
                moved[0, c, p] = value + sign * step
                slopes.append(sign * (logit(moved) - logit(middle)) / step)
            assert abs(slopes[0] - slopes[1]) <= 1e-6 * (1 + abs(slopes[0])), "a kink: choose other data"
            f = min(c, partner(c, channels)) if d.architecture == "revcomp" else c
            scores[n, f] += value * (slopes[0] + slopes[1]) / 2
    return scores


def filter_scores(per_sequence, labels):
    """Mean over positives, mean over negatives and their difference (NaN labels are neither)."""
    n_filters = per_sequence.shape[1]
    means = {0.0: np.zeros(n_filters), 1.0: np.zeros(n_filters)}
    for truth, mean in means.items():
        members = [n for n in range(len(labels)) if labels[n] == truth]
        for f in range(n_filters):
            mean[f] = sum(float(per_sequence[n, f]) for n in members) / len(members)
    return means[1.0], means[0.0], means[1.0] - means[0.0]
