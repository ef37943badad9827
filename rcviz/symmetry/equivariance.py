"""Measure strand symmetry, and assert it."""

from typing import Any

from torch import Tensor, nn

from rcviz.layers.pairing import reverse_complement_features
from rcviz.layers.symmetry import declares
from rcviz.models.outputs import check_weights, one_tensor, run_model
from rcviz.models.runtime import evaluating
from rcviz.models.settings import self_contained
from rcviz.symmetry.comparison import check_batch, largest_difference, reversed_output
from rcviz.symmetry.diagnosis import diagnose_equivariance
from rcviz.symmetry.recording import copies_of, warn_of_dependence


@self_contained
def equivariance_error(module: nn.Module, x: Any) -> float:
    """Measure the largest ``|f(rc x) - rc f(x)|`` over a batch, in evaluation mode and in the module's own type.

    Parameters
    ----------
    module : nn.Module
        A layer or a whole model; it is not modified.
    x : Tensor or ndarray (batch, channels, length)
        One-hot sequences or a feature map in which channels ``i`` and ``n - 1 - i`` are RC partners.

    Returns
    -------
    float
        In the unit of the output. Outputs ``(batch, channels, length)`` are compared after RC, ``(batch, outputs)`` as
        they are; those of an RC weighted sum are reversed, which :func:`assert_equivariant` allows for. A
        module with ``reverse_output``, such as :class:`rcviz.RevCompConjoined`, is compared as it declares.
        Rounding alone gives about 1e-15 in float64 and 1e-6 in float32. float32 depends on the order of summation, so
        judge in float64: ``equivariance_error(copy.deepcopy(module).double(), x)``.

    Examples
    --------
    >>> import torch, rcviz
    >>> layer = rcviz.RevCompConv1d(4, n_filters=8, kernel_size=15).double()
    >>> rcviz.equivariance_error(layer, torch.rand(2, 4, 100, dtype=torch.float64)) < 1e-12
    True
    """
    x = check_batch(module, x)
    strands = x.clone(), reverse_complement_features(x)  # copies both: a module may work in place
    with evaluating(module):
        warn_of_dependence(module, x)
        outputs, outputs_rc = (run_model(module, strand) for strand in strands)
    if any(bool(tensor.isnan().any()) for tensor in copies_of((outputs, outputs_rc))):
        check_weights(module)
        raise ValueError("the outputs are NaN, and no weight is; rcviz.diagnose_equivariance names the module")
    if not isinstance(outputs, Tensor) and declares(module, "reverse_output"):
        expected_all = copies_of(module.reverse_output(outputs))  # type: ignore[operator]
        return max(map(largest_difference, copies_of(outputs_rc), expected_all))
    y, y_rc = one_tensor(outputs), one_tensor(outputs_rc)
    expected = reversed_output(module, y) if declares(module, "reverse_output") else None
    if expected is None:
        expected = reverse_complement_features(y) if y.ndim == 3 else y
    return largest_difference(y_rc, expected)


@self_contained
def assert_equivariant(module: nn.Module, x: Any) -> None:
    """Raise unless the RC of ``x`` gives the RC of the output, judged on a float64 copy.

    Outputs ``(batch, channels)`` may be reversed, as those of an RC weighted sum, or equal if the module is invariant.
    A module that computes in a narrower type even in that copy, or cannot be copied, is judged in its own type.

    Raises
    ------
    AssertionError
        With the error measured and the first module that causes it.

    Examples
    --------
    >>> import torch, rcviz
    >>> rcviz.assert_equivariant(rcviz.RevCompConv1d(4, n_filters=8, kernel_size=15), torch.rand(2, 4, 100))
    >>> rcviz.assert_equivariant(torch.nn.Conv1d(4, 16, 15), torch.rand(2, 4, 100))
    Traceback (most recent call last):
    ...
    AssertionError: ...
    """
    _assert(module, x, {"equivariant", "invariant"}, "equivariant")


@self_contained
def assert_invariant(model: nn.Module, x: Any) -> None:
    """Raise unless both strands get the same output ``(batch, outputs)``, judged on a float64 copy.

    A model that computes in a narrower type even in that copy, or cannot be copied, is judged in its own type.

    Raises
    ------
    AssertionError
        With the error measured and the first module that causes it.

    Examples
    --------
    >>> rcviz.assert_invariant(model, parts.test.one_hot(slice(0, 8)))
    >>> rcviz.assert_invariant(standard, parts.test.one_hot(slice(0, 8)))
    Traceback (most recent call last):
    ...
    AssertionError: ...
    """
    _assert(model, x, {"invariant"}, "invariant")


def _assert(module: nn.Module, x: Any, allowed: set[str], symmetry: str) -> None:
    table = diagnose_equivariance(module, x)
    whole = table.iloc[-1]
    if whole["module"] != "(model)":
        raise ValueError(
            f"{type(module).__name__} must return a floating-point tensor, which can be compared between the strands"
        )
    if whole["verdict"] in allowed:
        return
    causes = table[table["verdict"] == "breaks"]
    if table.attrs["depends_on"] == "chance":
        causes = causes[causes["suggestion"].str.contains("random numbers in evaluation")]
    if len(causes):
        first = causes.iloc[0]
        cause = f"first broken by {first['module']} ({first['kind']}): {first['suggestion']}"
    elif whole["verdict"] == "unknown":
        cause = (
            "the outputs match in an order of channels or strands that it does not declare; declare reverse_output(y)"
        )
    else:
        cause = f"its output is {whole['verdict']}"
    dtype = table.attrs["dtype"]
    own = "" if dtype == "float64" else ", the type that its forward pass computes in"
    raise AssertionError(
        f"{type(module).__name__} is not {symmetry} in {dtype}{own}: error {whole['error']:.3g}, {cause}"
    )
