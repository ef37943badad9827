"""Every plot refuses what is not an array of numbers in one sentence that names the argument."""

import pytest

import rcviz


@pytest.mark.parametrize(
    ("plot", "given", "name"),
    [
        ("plot_logo", ("CTCF",), "the matrix"),
        ("plot_logo", ([[1, 2], [1], [1], [1]],), "the matrix"),
        ("plot_filters", ([[["a"]]],), "matrix 0: the matrix"),
        ("plot_strands", ("ACGT", "ACGT"), "forward"),
        ("plot_strands", ([0.1], [None, []]), "reverse"),
        ("plot_similarity", ("abc",), "similarity"),
        ("plot_profile", (["a", "b"], {"bound": [1.0]}), "edges"),
        ("plot_profile", ([0, 1], {"bound": "many"}), "bound"),
    ],
)
def test_the_argument_is_named_in_one_sentence(plot, given, name, as_users_run):
    with pytest.raises(ValueError, match=f"^{name} must be ") as error:
        getattr(rcviz, plot)(*given)
    assert "\n" not in str(error.value)
