"""Facts that a layer declares about itself, so that tools ask the layer instead of knowing its class.

A layer of rcviz, or of your own, declares up to three facts:

``symmetry``
    A :class:`Symmetry`: how its input and its output change for the reverse complement. Where that depends on settings
    it is a property; where the names are not enough, ``reverse_input(x)`` and ``reverse_output(y)`` compute it.
``to_plain()``
    Returns the same function in plain torch modules: one module or an :class:`torch.nn.Sequential`. Where it depends on
    the shape of the input, it takes ``shape``: ``(channels, length)`` or ``(features,)``, with None for what is not
    known. It raises a ValueError where plain torch modules cannot express the layer.
``draws_random``
    Whether ``forward`` draws random numbers in training.

Facts describe the ``forward`` of the class that declares them; a subclass that overrides ``forward`` declares them
again.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from torch import Tensor, nn

from rcviz._core.checks import check_choice
from rcviz.layers.pairing import reverse_channels, reverse_complement_features, reverse_positions

Representation: TypeAlias = Literal["paired", "irreps", "positions reversed", "invariant", "own"]
Input: TypeAlias = Literal["any"] | Representation
Output: TypeAlias = Literal["same"] | Representation


@dataclass(frozen=True, kw_only=True)
class Symmetry:
    """Relation of a layer's input and output for a sequence to those for its reverse complement.

    - ``"paired"``: channels ``i`` and ``n - 1 - i`` are RC partners. Channels and positions are both reversed; features
      without positions are reversed.
    - ``"irreps"``: channels of type +1 and -1 (:class:`rcviz.IrrepConv1d`). Positions are reversed, and channels of
      type -1 change their sign.
    - ``"positions reversed"``: every channel is its own partner. Positions are reversed.
    - ``"invariant"``: both strands look the same. As an input it declares that the layer keeps no other symmetry.
    - ``"own"``: as the layer's own ``reverse_input`` and ``reverse_output`` compute it.

    Parameters
    ----------
    input : one of these names, several of them, or "any"
        Representations that the layer accepts. Invariant features are accepted by every layer.
    output : one of these names, or "same"
        Representation that it returns; ``"same"``: that of its input.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.RevCompConv1d(4, n_filters=8, kernel_size=15).symmetry
    Symmetry(input='paired', output='paired')
    >>> rcviz.Symmetry(input="paired", output="invariant").accepts("irreps")
    False
    """

    input: Input | tuple[Representation, ...]
    output: Output

    def __post_init__(self) -> None:
        for name in self.input if isinstance(self.input, tuple) else (self.input,):
            check_choice("input", name, ("any", *get_args(Representation)))
        check_choice("output", self.output, ("same", *get_args(Representation)))

    def accepts(self, representation: Representation) -> bool:
        """Whether the layer keeps the symmetry of such an input."""
        inputs = self.input if isinstance(self.input, tuple) else (self.input,)
        return representation == "invariant" or "any" in inputs or representation in inputs

    def after(self, representation: Representation) -> Representation:
        """Representation of the output for such an input, which the layer accepts."""
        if representation == "invariant" or self.output == "same":
            return representation
        return self.output


PAIRED = Symmetry(input="paired", output="paired")
ANY = Symmetry(input="any", output="same")
VALUES_ONLY = Symmetry(input=("paired", "positions reversed", "own"), output="same")
"""For layers that may be given the same numbers in another order, but not with another sign."""
NO_SYMMETRY = Symmetry(input="invariant", output="invariant")


def declares(module: nn.Module, fact: str) -> bool:
    """Whether a module declares a fact about the ``forward`` that it has.

    A subclass that overrides ``forward`` without declaring the fact again does not.
    """
    if fact in vars(module):
        return True
    if "forward" in vars(module):
        return False
    kind: Any = type(module)
    declaring: Any = next((ancestor for ancestor in kind.__mro__ if fact in vars(ancestor)), None)
    # A base class without a forward declares for those that add one.
    forward = getattr(kind, "forward", None)  # TorchScript's classes have none
    return declaring is not None and getattr(declaring, "forward", None) in (forward, nn.Module.forward, None)


def reverse(features: Tensor, representation: Representation) -> Tensor | None:
    """Features as they are for the reverse complement; None where the name alone does not determine it."""
    if representation == "paired":
        return reverse_complement_features(features) if features.ndim > 2 else reverse_channels(features)
    if representation == "positions reversed":
        return reverse_positions(features)
    return features if representation == "invariant" else None
