"""Properties of every architecture, for 40 random ones; ``make soak`` tries 500 others."""

import pytest
from reliability.properties import PROPERTIES, TOLERANCE, errors_of


@pytest.mark.parametrize("name", PROPERTIES)
def test_it_holds_for_random_architectures(name):
    errors = errors_of(name, 40)
    assert len(errors) >= 40
    assert max(errors) <= TOLERANCE
