"""Memory does not grow with the number of sequences; ``make soak`` tries ten million."""

import numpy as np
import pytest
from reliability.stream import LENGTH, WAYS, blocks, bytes_per_sequence, network, points, write

import rcviz

NUMBERS = (10_000, 40_000)
ONE_HOT = 4 * 4 * LENGTH
"""Bytes of one sequence as floats."""


@pytest.mark.long
def test_memory_does_not_grow_as_sequences_do(tmp_path):
    """Only processes of their own show their peak of memory."""
    found = list(points(tmp_path, NUMBERS))
    assert [(point["way"], point["sequences"]) for point in found] == [(way, n) for way in WAYS for n in NUMBERS]
    for way in WAYS:
        assert bytes_per_sequence(found, way) < ONE_HOT / 4


def test_streams_and_files_give_the_numbers_of_memory(tmp_path):
    write(tmp_path / "set", 25_000)
    mapped = rcviz.SequenceSet.load(tmp_path / "set", memory_map=True)
    codes, labels = (np.concatenate(parts) for parts in zip(*blocks(25_000), strict=True))
    np.testing.assert_array_equal(mapped.codes, codes)
    np.testing.assert_array_equal(mapped.labels, labels)
    model = network()
    one_by_one = [rcviz.predict(model, block) for block, _ in blocks(25_000)]
    whole = rcviz.predict(model, codes)
    # Blocks end in smaller batches, which some processors round otherwise.
    np.testing.assert_allclose(np.concatenate(one_by_one), whole, rtol=1e-6)
    np.testing.assert_array_equal(rcviz.predict(model, mapped), whole)
    inside = rcviz.SequenceSet(codes, labels, task_names=mapped.task_names)
    assert rcviz.evaluate(model, mapped).equals(rcviz.evaluate(model, inside))
