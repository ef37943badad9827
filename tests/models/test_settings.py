"""What the user has set changes no number and stops no work, and is set afterwards as it was."""

import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch

import rcviz

CODES = np.random.default_rng(0).integers(0, 4, (24, 60), dtype=np.uint8)
DATA = rcviz.SequenceSet(CODES, np.arange(24) % 2)
SIZE = {"n_filters": 3, "sequence_length": 60, "pool_size": 10, "kernel_sizes": (11,)}
TRAINING = rcviz.TrainConfig(epochs=2, batch_size=8, samples_per_epoch=16, learning_rate=0.01)


@contextmanager
def setting(read, write, value):
    before = read()
    write(value)
    try:
        yield
        assert read() == value
    finally:
        write(before)


@contextmanager
def numpy_raises():
    with np.errstate(all="raise"):
        yield
        assert set(np.geterr().values()) == {"raise"}


@contextmanager
def warnings_raise():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def autocast():
    with torch.autocast("cpu", torch.bfloat16):
        yield
        assert torch.is_autocast_enabled("cpu")


@contextmanager
def inference():
    with torch.inference_mode():
        yield
        assert torch.is_inference_mode_enabled()


@contextmanager
def default_device():
    torch.set_default_device("meta")
    try:
        yield
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)


SETTINGS = {
    "no gradients": lambda: setting(torch.is_grad_enabled, torch.set_grad_enabled, False),
    "inference mode": inference,
    "float64": lambda: setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "another device": default_device,
    "autocast": autocast,
    "numpy raises": numpy_raises,
    "warnings raise": warnings_raise,
    "deterministic": lambda: setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "low precision": lambda: setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"),
}


def standard():
    return rcviz.build_model(rcviz.ModelConfig.one_layer("standard", **SIZE))


def fitted(model):
    history = rcviz.fit(model, DATA, DATA, TRAINING, progress=False)
    return [history.table, *model.state_dict().values()]


def saved(model, folder):
    rcviz.save_model(model, folder / "model.safetensors")
    return list(rcviz.load_model(folder / "model.safetensors").state_dict().values())


def explored(model):
    explorer = rcviz.FilterExplorer(model, DATA, motifs=[rcviz.load_motif("GATA_known6")])
    try:
        explorer.wait(100)
        return explorer.table[["filter", "score"]]
    finally:
        explorer.close()


def compared(model):
    explorer = rcviz.StrandExplorer(model, DATA)
    try:
        return explorer.table
    finally:
        explorer.close()


CALLS = {
    "build_model": lambda model, x, folder: list(standard().state_dict().values()),
    "predict": lambda model, x, folder: rcviz.predict(model, DATA),
    "evaluate": lambda model, x, folder: rcviz.evaluate(model, DATA),
    "fit": lambda model, x, folder: fitted(model),
    "save_model": lambda model, x, folder: saved(model, folder),
    "filter_contributions": lambda model, x, folder: rcviz.filter_contributions(model, DATA).per_sequence,
    "filter_ablation": lambda model, x, folder: rcviz.filter_ablation(model, DATA, replace="mean").effects,
    "motifs": lambda model, x, folder: rcviz.filter_bank(model).activating_sites(DATA).table,
    "palindromes": lambda model, x, folder: rcviz.palindromes(model, DATA).table,
    "filter_similarity": lambda model, x, folder: rcviz.filter_similarity(model, model).table,
    "activation_profiles": lambda model, x, folder: rcviz.activation_profiles(model, DATA).table,
    "strand_agreement": lambda model, x, folder: rcviz.strand_agreement(model, DATA).table,
    "gap_by_filter": lambda model, x, folder: rcviz.gap_by_filter(model, DATA.subset([0, 1])).table,
    "strand_attributions": lambda model, x, folder: rcviz.strand_attributions(model, DATA.subset([0, 1])).table,
    "hypothetical_attributions": lambda model, x, folder: rcviz.hypothetical_attributions(model, DATA.subset([0])),
    "equivariance_error": lambda model, x, folder: np.array(rcviz.equivariance_error(model, x)),
    "diagnose_equivariance": lambda model, x, folder: rcviz.diagnose_equivariance(model, x),
    "check_structure": lambda model, x, folder: rcviz.check_structure(model),
    "to_standard": lambda model, x, folder: list(rcviz.to_standard(model, length=60).state_dict().values()),
    "to_revcomp": lambda model, x, folder: list(rcviz.to_revcomp(model, length=60).model.state_dict().values()),
    "model_card": lambda model, x, folder: (
        rcviz.model_card(
            model, rcviz.split(DATA, train=0.5, valid=0.25, test=0.25), name="x", training=TRAINING
        ).metrics
    ),
    "FilterExplorer": lambda model, x, folder: explored(model),
    "StrandExplorer": lambda model, x, folder: compared(model),
}


def numbers(result):
    """Numbers of a result, to compare exactly."""
    if isinstance(result, list | tuple):
        return [numbers(part) for part in result]
    if isinstance(result, torch.Tensor):
        return str(result.dtype), result.tolist()
    if isinstance(result, pd.DataFrame):
        return repr(result.to_dict("list"))
    return repr(np.asarray(result).tolist()), str(np.asarray(result).dtype)


@pytest.mark.parametrize("call", CALLS)
def test_what_the_user_has_set_changes_nothing_and_is_not_changed(tmp_path, call):
    x = DATA.one_hot(slice(0, 4))
    expected = numbers(CALLS[call](standard(), x, tmp_path))
    for name, context in SETTINGS.items():
        model = standard()
        with context():
            found = numbers(CALLS[call](model, x, tmp_path))
        assert found == expected, name
