"""The alternative to shared parameters: any network, applied to both strands, with its two outputs averaged."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_features
from rcviz.layers import pairing
from rcviz.layers.plain import refuse_plain
from rcviz.layers.symmetry import Representation, Symmetry

Average = Literal["logit", "probability"]
OutputKind = Literal["invariant", "stranded", "profile"]

_SHAPES = {
    "invariant": ("(batch,) or (batch, tasks)", (1, 2)),
    "stranded": ("(batch, tasks)", (2,)),
    "profile": ("(batch, length) or (batch, channels, length)", (2, 3)),
}


class RevCompConjoined(nn.Module):
    """Apply ``model`` to a sequence and to its RC, and average the two outputs.

    Around a trained model this is the post-hoc strategy; training the wrapper is the siamese strategy. It adds no
    parameters. For any model, ``output_kind`` decides how the result changes with the strand:

    - ``"invariant"``: both strands get the same output;
    - ``"stranded"``: the RC of the input gives the outputs permuted;
    - ``"profile"``: the RC of the input gives the output with its positions reversed and its channels permuted.

    Both strands go through the model in one batch of twice the size, the two of a sequence beside each other. Each
    module is therefore used once per forward pass, as hooks and attribution tools need. A batch norm in training uses
    the statistics of both strands and updates its running statistics once. Dropout in the model draws for each strand
    separately, so the symmetry is exact in evaluation mode only.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits, one tensor whose shape fits ``output_kind``.
    average : "logit" or "probability"
        What is averaged. ``"logit"``: outputs as they are, also for values of a regression. ``"probability"``: every
        output is treated as the logit of a separate probability, and the result is the logit of the mean probability,
        so that losses and :func:`rcviz.predict` still get logits.
    output_kind : "invariant", "stranded" or "profile"
        ``"invariant"``: (batch,) or (batch, tasks), no task belongs to a strand. ``"stranded"``: (batch, tasks),
        tasks such as plus and minus are exchanged. ``"profile"``: (batch, length) or (batch, channels, length).
    permutation : "reversed" or sequence of int, optional
        Partner of every task or channel: ``i`` on one strand is ``permutation[i]`` on the other. The default is
        ``"reversed"`` for ``"stranded"``, and none for ``"profile"``, where channels are not permuted.

    Raises
    ------
    ValueError
        For a permutation that is not its own inverse, for ``average="probability"`` of a model that declares
        ``output_is="value"`` and, when called, for outputs that do not fit ``output_kind``.

    Examples
    --------
    >>> import torch, rcviz
    >>> model = rcviz.build_model(rcviz.ModelConfig.simulated("standard"))
    >>> both = rcviz.RevCompConjoined(model).eval()
    >>> both(torch.zeros(2, 4, 200)).shape
    torch.Size([2, 3])
    """

    draws_random = False

    def __init__(
        self,
        model: nn.Module,
        *,
        average: Average = "logit",
        output_kind: OutputKind = "invariant",
        permutation: Sequence[int] | Literal["reversed"] | None = None,
    ) -> None:
        super().__init__()
        check_choice("average", average, get_args(Average))
        check_choice("output_kind", output_kind, get_args(OutputKind))
        if permutation is not None and output_kind == "invariant":
            raise ValueError("invariant outputs have no partners; use output_kind='stranded', or leave permutation out")
        if permutation is None and output_kind == "stranded":
            permutation = "reversed"
        if isinstance(permutation, str):
            check_choice("permutation", permutation, ("reversed",))
        elif permutation is not None:
            permutation = _own_inverse(permutation)
        if average == "probability" and any(getattr(part, "output_is", None) == "value" for part in model.modules()):
            raise ValueError(
                "average='probability' needs logits, but the model declares output_is='value'; average values as they "
                "are, with average='logit'"
            )
        self.model, self.average = model, average
        self.output_kind, self.permutation = output_kind, permutation

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Average the output for ``x`` and that for its RC, after mapping the second back to the forward strand."""
        check_features(x.shape, 4)
        # The strands alternate, because DeepLIFT compares the first half of every batch with the second.
        both = self.model(torch.stack([x, pairing.reverse_complement_features(x)], dim=1).flatten(0, 1))
        self._check_outputs(
            both, x.shape[0]
        )  # not len(), which torch.export would record as a fixed number of sequences
        forward, reverse = both[0::2], self.reverse_output(both[1::2])
        return (forward + reverse) / 2 if self.average == "logit" else _logit_of_mean_probability(forward, reverse)

    @property
    def symmetry(self) -> Symmetry:
        """Paired channels as input; ``output_kind`` and ``permutation`` determine the output."""
        output: Representation = "own"
        if self.output_kind == "invariant":
            output = "invariant"
        elif self.permutation == "reversed":
            output = "paired"
        elif self.permutation is None:
            output = "positions reversed"
        return Symmetry(input="paired", output=output)

    def to_plain(self) -> nn.Module:
        """Raise: a chain of modules sees one strand."""
        refuse_plain("applies its model to both strands")

    def reverse_output(self, y: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return what the output would be for the reverse complement; applied twice, it changes nothing."""
        partners = None if isinstance(self.permutation, str) else self.permutation
        if y.ndim not in self.axes or (partners is not None and (y.ndim < 2 or y.shape[1] != len(partners))):
            raise ValueError(f"y must have the shape of an output_kind={self.output_kind!r}, got {tuple(y.shape)}")
        if self.permutation == "reversed":
            y = pairing.reverse_channels(y)
        elif self.permutation is not None:
            y = y[:, list(self.permutation)]
        return pairing.reverse_positions(y) if self.output_kind == "profile" else y

    @property
    def axes(self) -> tuple[int, ...]:
        """Numbers of axes that outputs may have, depending on ``output_kind``."""
        return _SHAPES[self.output_kind][1]

    def _check_outputs(self, y: Any, n: int) -> None:
        if not isinstance(y, Tensor):
            raise ValueError(
                f"RevCompConjoined averages one tensor of logits, and the model returned a {type(y).__name__}; pick "
                f"one of its entries, for example with rcviz.as_sequence_model(model, output=...)"
            )
        wanted, _ = _SHAPES[self.output_kind]
        if y.ndim not in self.axes or y.shape[0] != 2 * n:
            raise ValueError(
                f"output_kind={self.output_kind!r} means {wanted}, and the model returned {tuple(y.shape)} for a "
                f"batch of {2 * n}; declare another of {', '.join(_SHAPES)} or reshape what the model returns"
            )
        if self.permutation is None:
            return
        if self.output_kind == "profile" and y.ndim == 2:
            raise ValueError(
                f"a permutation needs profiles (batch, channels, length), and the model returned {tuple(y.shape)}; "
                f"leave permutation out or add the axis of channels"
            )
        if self.permutation != "reversed" and len(self.permutation) != y.shape[1]:
            raise ValueError(
                f"permutation names {len(self.permutation)} partners, and the model returned {y.shape[1]} outputs; "
                f"name one for each"
            )

    def extra_repr(self) -> str:
        """Describe the layer in ``print(model)``."""
        return f"average={self.average!r}, output_kind={self.output_kind!r}, permutation={self.permutation!r}"


def _own_inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    partners = tuple(int(partner) for partner in permutation)
    names_all = sorted(partners) == list(range(len(partners)))
    if not names_all or any(partners[partners[i]] != i for i in range(len(partners))):
        raise ValueError(
            f"permutation must name every output once and change nothing when applied twice, got {partners}; "
            f"two outputs that are exchanged are (1, 0)"
        )
    return partners


def _logit_of_mean_probability(one: Tensor, other: Tensor) -> Tensor:
    """``logit((sigmoid(one) + sigmoid(other)) / 2)``, finite where a sigmoid would round to 0 or 1."""
    probability = torch.logaddexp(F.logsigmoid(one), F.logsigmoid(other))
    complement = torch.logaddexp(F.logsigmoid(-one), F.logsigmoid(-other))
    return probability - complement
