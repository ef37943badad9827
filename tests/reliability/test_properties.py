"""What holds for every architecture, on some random ones; ``RCVIZ_EXAMPLES=1000`` tries so many others of each."""

import os

import pytest
from reliability.properties import PROPERTIES, TOLERANCE, tried

EXAMPLES = os.environ.get("RCVIZ_EXAMPLES")


@pytest.mark.timeout(0 if EXAMPLES else 300)
@pytest.mark.parametrize("name", PROPERTIES)
def test_it_holds_for_random_architectures(name):
    errors = tried(name, int(EXAMPLES or 40), seed=0 if EXAMPLES else None)
    assert len(errors) >= int(EXAMPLES or 40)
    assert max(errors) <= TOLERANCE
