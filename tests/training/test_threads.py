"""The same seed gives the same weights: bit for bit in as many threads, or in any number where batches are small."""

import numpy as np
import pytest
import torch

import rcviz
from rcviz.models import threads


@pytest.fixture(scope="module")
def data():
    """Large enough that torch divides the work."""
    rng = np.random.default_rng(0)
    return rcviz.SequenceSet(rng.integers(0, 4, (300, 200), dtype=np.uint8), np.arange(300) % 2)


@pytest.fixture
def large(monkeypatch):
    """Count every batch as so much work that all threads are used."""
    monkeypatch.setattr(threads, "WORK_OF_A_THREAD", 1)


@pytest.fixture
def trained(data):
    """Train a network in so many threads and give its weights."""
    before = torch.get_num_threads()

    def trained(n_threads, dtype=torch.float32, architecture="revcomp", *, epochs=2):
        config = rcviz.ModelConfig.one_layer(architecture, n_filters=16, sequence_length=200, pool_size=31)
        network = rcviz.build_model(config).to(dtype)
        model = torch.nn.Sequential(torch.nn.Dropout(0.2), network)
        torch.set_num_threads(n_threads)
        training = rcviz.TrainConfig(epochs=epochs, batch_size=100, samples_per_epoch=300, augmentation="revcomp")
        rcviz.fit(model, data, data, training, progress=False)
        return model.state_dict()

    yield trained
    torch.set_num_threads(before)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_as_many_threads_give_the_same_bits(trained, same_weights, n_threads, architecture):
    first, second = (trained(n_threads, architecture=architecture) for _ in range(2))
    assert same_weights(first, second)
    assert not same_weights(first, trained(n_threads, architecture=architecture, epochs=1))


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_small_batches_give_the_same_bits_in_any_number_of_threads(trained, same_weights, architecture, monkeypatch):
    """100 sequences of 200 bp and 1,000 weights; sums of as many numbers differ where all threads are used."""
    weights = [trained(n_threads, architecture=architecture) for n_threads in (1, 2, 4)]
    assert same_weights(weights[0], weights[1])
    assert same_weights(weights[0], weights[2])
    monkeypatch.setattr(threads, "WORK_OF_A_THREAD", 1)
    assert not same_weights(weights[0], trained(4, architecture=architecture))


@pytest.mark.usefixtures("large")
def test_more_threads_add_in_another_order_and_agree_up_to_rounding(trained):
    """In float64, where a difference that is more than rounding stands out."""
    one = trained(1, torch.float64)
    for n_threads in (2, 4):
        for name, tensor in trained(n_threads, torch.float64).items():
            torch.testing.assert_close(tensor, one[name], atol=1e-9, rtol=1e-9, msg=name)
