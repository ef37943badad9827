"""Networks whose every number is drawn."""

import pytest
import stirred as networks


@pytest.fixture
def stirred():
    """Makes a network's numbers random, in float64 and evaluation mode."""
    return networks.stirred
