"""Text of an explorer in a notebook without a kernel: one line that describes it."""

import pytest

import rcviz

pytestmark = pytest.mark.usefixtures("no_names")


def test_an_explorer_says_what_it_is_of(toy, make_model):
    model, config = make_model(n_filters=5), rcviz.TrainConfig(epochs=2, batch_size=20, samples_per_epoch=60)
    monitor = rcviz.TrainingMonitor(model, toy, toy, config)
    curves = rcviz.TrainingCurves()
    curves.follow("RC")
    strands = rcviz.StrandExplorer({"RC": model, "again": model}, toy)
    sequence = rcviz.SequenceExplorer(model, toy)
    explorers = [rcviz.FilterExplorer(model, toy), strands, sequence, curves, monitor]
    bundles = [explorer._repr_mimebundle_() for explorer in explorers]
    lines = [(bundle[0] if isinstance(bundle, tuple) else bundle)["text/plain"] for bundle in bundles]
    assert lines == [
        "FilterExplorer(5 filters of conv1, 120 sequences)",
        "StrandExplorer(2 models, 120 sequences)",
        "SequenceExplorer(1 model, 120 sequences)",
        "TrainingCurves(RC)",
        "TrainingMonitor(RC, 5 filters, ready)",
    ]
    for explorer in (*explorers[:3], monitor):
        explorer.close()
        assert repr(explorer)
