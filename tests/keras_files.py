"""What the Keras layers of the paper, of keras-genomics and of Keras itself compute, and the files that Keras writes.

The loops follow the descriptions of the layers: channels last, filters last of all, Theano's convolution reversed, RC
channels by index arithmetic. Arrays here are (batch, length, channels).
"""

import json

import numpy as np

import rcviz

# ---------------------------------------------------------------- what Keras computes


def conv(x, weight_at, n_out, width, bias_at, *, theano, twice=False):
    """Every output is a sum over the width; Theano meets the last tap first."""
    n, length, channels = x.shape
    y = np.zeros((n, length - width + 1, n_out))
    for i, p, o in np.ndindex(*y.shape):
        taps = ((k, c) for k in range(width) for c in range(channels))
        total = sum(weight_at(width - 1 - k if theano else k, c, o) * x[i, p + k, c] for k, c in taps)
        y[i, p, o] = (2 * total if twice else total) + bias_at(o)
    return y


def plain_conv(x, w, b, *, theano):
    w = w.reshape(w.shape[0], *w.shape[-2:])
    return conv(x, lambda k, c, o: w[k, c, o], w.shape[2], w.shape[0], lambda o: b[o], theano=theano)


def rc_conv(x, w, b, *, theano, twice=False):
    """Channel 2F-1-f has the kernel of f with its width and its inputs reversed, before any backend sees it."""
    w = w.reshape(w.shape[0], *w.shape[-2:])
    width, channels, n = w.shape

    def weight_at(k, c, o):
        return w[k, c, o] if o < n else w[width - 1 - k, channels - 1 - c, 2 * n - 1 - o]

    def bias_at(o):
        return b[min(o, 2 * n - 1 - o)]

    return conv(x, weight_at, 2 * n, width, bias_at, theano=theano, twice=twice)


def batchnorm(x, gamma, beta, mean, variance, epsilon=1e-3):
    """Channels and their partners have one entry; without partners there are as many as channels."""
    y, n = np.empty_like(x), x.shape[2]
    for c in range(n):
        f = c if len(mean) == n else min(c, n - 1 - c)
        y[:, :, c] = gamma[f] * (x[:, :, c] - mean[f]) / np.sqrt(variance[f] + epsilon) + beta[f]
    return y


def relu_and_pool(x, size, stride):
    starts = range(0, x.shape[1] - size + 1, stride)
    return np.stack([np.maximum(x[:, start : start + size], 0).max(1) for start in starts], axis=1)


def weighted_sum(x, w, *, symmetric=False):
    y, (_, length, n) = np.zeros((len(x), x.shape[2])), x.shape
    for c, p in np.ndindex(n, length):
        f, at = (c, p) if c < n // 2 else (n - 1 - c, length - 1 - p)
        y[:, c] += w[min(at, length - 1 - at) if symmetric else at, f] * x[:, p, c]
    return y


def rc_dense(x, w, b):
    """Inputs i and n-1-i have one weight."""
    n = x.shape[1]
    return np.stack(
        [sum(w[min(i, n - 1 - i), o] * x[:, i] for i in range(n)) + b[o] for o in range(w.shape[1])], axis=1
    )


def rc_dense_after_conv(x, w, b):
    """DenseAfterRevcompConv1D: (length * channels / 2, outputs); the partner's weight lies at the mirrored position."""
    n, length, channels = x.shape
    y = np.tile(b, (n, 1)).astype(float)
    for p, c, o in np.ndindex(length, channels, w.shape[1]):
        at, f = (p, c) if c < channels // 2 else (length - 1 - p, channels - 1 - c)
        y[:, o] += w[at * (channels // 2) + f, o] * x[:, p, c]
    return y


# ---------------------------------------------------------------- what Keras writes


def draw(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape) * 0.4


def statistics(n, seed):
    gamma, beta, mean, variance = draw(4, n, seed=seed)
    return gamma, beta, mean, np.abs(variance) + 0.5


def write(path, layers, *, keras=1, backend=None, config=None, outer=None, libver="earliest"):
    """Layers are (name, {weight: array}); weights ``name_W``, ``name/kernel:0`` or ``model/name/kernel``."""
    import h5py

    with h5py.File(path, "w", libver=libver) as file:
        group = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
            group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name, _ in ([(outer, None)] if outer else layers)]
        if backend is not None:
            group.attrs["backend"] = backend.encode()
            group.attrs["keras_version"] = b"2.2.4"
        listed = []
        for name, weights in layers:
            inside = group.require_group(outer or name)
            listed = listed if outer else []
            for weight, values in weights.items():
                stored = {1: f"{name}_{weight}", 2: f"{name}/{weight}:0", 3: f"sequential/{name}/{weight}"}[keras]
                listed.append(stored.encode())
                inside.create_dataset(stored, data=values)
            inside.attrs["weight_names"] = listed
    return path


def keras_1_norm(values):
    return dict(zip(("gamma", "beta", "running_mean", "running_std"), values, strict=True))


def keras_2_norm(values):
    return dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), values, strict=True))


def paper(n_tasks=2, **changes):
    """Two convolutions on 24 bp: 24 - 4 - 2 = 18 positions, pooled 6/4 into four."""
    settings = {"sequence_length": 24, "n_filters": 3, "kernel_sizes": (5, 3), "pool_size": 6, "pool_stride": 4}
    config = rcviz.ModelConfig(**({"architecture": "revcomp"} | settings | {"n_tasks": n_tasks} | changes))
    return rcviz.build_model(config).double().eval()


def plain_weights():
    return {
        "conv1d_1": {"kernel": draw(5, 4, 6, seed=1), "bias": draw(6, seed=2)},
        "batch_normalization_1": keras_2_norm(statistics(6, seed=3)),
        "dense_1": {"kernel": draw(24, 2, seed=4), "bias": draw(2, seed=5)},
    }


def plain_model():
    return paper(architecture="standard", n_filters=6, kernel_sizes=(5,), pool_size=8, head="flatten")
