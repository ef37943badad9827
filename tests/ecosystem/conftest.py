"""Two small networks that have learned a motif, and the slow way through them."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import rcviz

ARCHITECTURES = ("revcomp", "standard")


@pytest.fixture(scope="session")
def motif():
    """What there is to learn."""
    return "AGATAAGG"


@pytest.fixture(scope="session")
def gata(motif):
    """300 sequences of 80 bp; every second one holds the motif, on either strand."""
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 4, (300, 80), dtype=np.uint8)
    labels = np.zeros((300, 1), np.float32)
    for row in range(0, 300, 2):
        start = rng.integers(0, 80 - len(motif))
        codes[row, start : start + len(motif)] = rcviz.encode([motif])[0]
        labels[row] = 1
    turned = np.arange(300) % 4 == 0
    codes[turned] = rcviz.reverse_complement(codes[turned])
    return rcviz.SequenceSet(codes, labels, task_names=["GATA"])


@pytest.fixture(scope="session")
def networks(gata):
    """One trained network of each architecture, by its name; in float32, in evaluation mode."""
    found = {}
    for architecture in ARCHITECTURES:
        config = rcviz.ModelConfig(
            architecture=architecture,
            n_filters=3 if architecture == "revcomp" else 6,
            sequence_length=80,
            kernel_sizes=(9,),
            pool_size=18,
            pool_stride=18,
        )
        model = rcviz.build_model(config, seed=1)
        training = rcviz.TrainConfig.simulated(
            epochs=10, batch_size=15, samples_per_epoch=300, learning_rate=0.03, augmentation="revcomp"
        )
        rcviz.fit(model, gata, gata, training, progress=False)
        found[architecture] = model.eval()
    return found


@pytest.fixture(params=ARCHITECTURES)
def model(request, networks):
    """Each of the two, to be hooked and changed."""
    return copy.deepcopy(networks[request.param])


@pytest.fixture
def exact(model):
    """The same in float64."""
    return model.double()


@pytest.fixture
def plain():
    """The same network in torch modules alone: tools that have a rule for each class know no other."""

    def plain(model):
        return rcviz.to_standard(model) if model.config.architecture == "revcomp" else model

    return plain


@pytest.fixture
def for_captum(plain):
    """The same with a step between ReLU and pooling.

    Captum 0.9 loses the rule of one of two modules that share a tensor (its issue 1104): a copy keeps them apart.
    """

    def for_captum(model):
        apart = [
            (nn.ConstantPad1d(0, 0.0), part) if isinstance(part, nn.MaxPool1d) else (part,) for part in plain(model)
        ]
        return nn.Sequential(*(part for parts in apart for part in parts)).eval()

    return for_captum


@pytest.fixture
def inputs(gata):
    """Give one-hot sequences with the motif, and as many without."""

    def inputs(n, dtype=torch.float64):
        return tuple(
            torch.from_numpy(part.subset(slice(0, n)).one_hot()).to(dtype)
            for part in (gata.positives(), gata.negatives())
        )

    return inputs


@pytest.fixture
def slowly(monkeypatch):
    """Do something with every network going module by module and every layer as it is defined."""

    def slowly(do):
        with monkeypatch.context() as patch:
            patch.setattr("rcviz.models.fused.can_fuse", lambda model, x: False)
            patch.setattr("rcviz.layers.channels_last.is_faster", lambda x: False)
            return do()

    return slowly
