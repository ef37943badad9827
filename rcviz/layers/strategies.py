"""The alternative to shared parameters: any network, applied to both strands, with its two outputs averaged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from rcviz._core.checks import check_choice, check_features, shown
from rcviz.layers import pairing
from rcviz.layers.plain import refuse_plain
from rcviz.layers.symmetry import Representation, Symmetry

Average = Literal["logit", "probability"]
OutputKind = Literal["invariant", "stranded", "profile"]
Permutation: TypeAlias = tuple[int, ...] | Literal["reversed"] | None

_SHAPES = {
    "invariant": ("(batch,) or (batch, tasks)", (1, 2)),
    "stranded": ("(batch, tasks)", (2,)),
    "profile": ("(batch, length) or (batch, channels, length)", (2, 3)),
}


@dataclass(frozen=True)
class _Output:
    """Kind of one output of a conjoined model, and the partners of its tasks or channels."""

    kind: OutputKind
    permutation: Permutation

    @property
    def representation(self) -> Representation:
        """Name of the way in which the output changes for the reverse complement."""
        if self.kind == "invariant":
            return "invariant"
        if self.permutation == "reversed":
            return "paired"
        return "positions reversed" if self.permutation is None else "own"

    def reverse(self, y: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return what the output would be for the reverse complement."""
        partners = None if isinstance(self.permutation, str) else self.permutation
        if y.ndim not in _SHAPES[self.kind][1] or (
            partners is not None and (y.ndim < 2 or y.shape[1] != len(partners))
        ):
            raise ValueError(f"y must have the shape of an output_kind={self.kind!r}, got {tuple(y.shape)}")
        if self.permutation == "reversed":
            y = pairing.reverse_channels(y)
        elif self.permutation is not None:
            y = y[:, list(self.permutation)]
        return pairing.reverse_positions(y) if self.kind == "profile" else y

    def check(self, y: Any, n: int) -> None:
        """Refuse an output for ``n`` sequences on both strands that is not of this kind."""
        wanted, axes = _SHAPES[self.kind]
        if not isinstance(y, Tensor):
            raise ValueError(f"output_kind={self.kind!r} means a tensor, and the model returned a {type(y).__name__}")
        if y.ndim not in axes or y.shape[0] != 2 * n:
            raise ValueError(
                f"output_kind={self.kind!r} means {wanted}, and the model returned {tuple(y.shape)} for a "
                f"batch of {2 * n}; declare another of {', '.join(_SHAPES)} or reshape what the model returns"
            )
        if self.permutation is None:
            return
        if self.kind == "profile" and y.ndim == 2:
            raise ValueError(
                f"a permutation needs profiles (batch, channels, length), and the model returned {tuple(y.shape)}; "
                f"leave permutation out or add the axis of channels"
            )
        if self.permutation != "reversed" and len(self.permutation) != y.shape[1]:
            raise ValueError(
                f"permutation names {len(self.permutation)} partners, and the model returned {y.shape[1]} outputs; "
                f"name one for each"
            )


def _declared_outputs(kinds: Any, permutations: Any) -> dict[Any, _Output]:
    """Kinds and partners of all outputs, by index or key; of a single one under None."""
    if isinstance(kinds, str):
        return {None: _declared_output(kinds, permutations)}
    if not isinstance(kinds, Mapping | tuple | list) or not kinds:
        raise ValueError(
            f"output_kind must be one of {', '.join(_SHAPES)}, or a tuple or dict of these, got {shown(kinds)}"
        )
    named = dict(kinds) if isinstance(kinds, Mapping) else dict(enumerate(kinds))
    partners = permutations or {}
    if not isinstance(partners, Mapping) and not isinstance(kinds, Mapping) and len(partners) == len(named):
        partners = dict(enumerate(partners))
    if not isinstance(partners, Mapping) or not partners.keys() <= named.keys():
        raise ValueError(
            f"permutation must be a tuple or dict like output_kind={kinds!r}, with None for outputs without partners, "
            f"got {shown(permutations)}"
        )
    return {name: _declared_output(kind, partners.get(name)) for name, kind in named.items()}


def _declared_output(kind: Any, permutation: Any) -> _Output:
    check_choice("output_kind", kind, get_args(OutputKind))
    if permutation is not None and kind == "invariant":
        raise ValueError("invariant outputs have no partners; use output_kind='stranded', or leave permutation out")
    if permutation is None and kind == "stranded":
        permutation = "reversed"
    if isinstance(permutation, str):
        check_choice("permutation", permutation, ("reversed",))
    elif permutation is not None:
        if not isinstance(permutation, Sequence):
            raise ValueError(f"permutation must name the partner of every output, got {shown(permutation)}")
        permutation = _own_inverse(permutation)
    return _Output(kind, permutation)


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
        Maps one-hot ``(batch, 4, length)`` to logits, whose shape fits ``output_kind``: one tensor, or a tuple or dict.
    average : "logit" or "probability"
        What is averaged. ``"logit"``: outputs as they are, also for values of a regression. ``"probability"``: every
        output is treated as the logit of a separate probability, and the result is the logit of the mean probability,
        so that losses and :func:`rcviz.predict` still get logits.
    output_kind : "invariant", "stranded" or "profile"
        ``"invariant"``: (batch,) or (batch, tasks), no task belongs to a strand. ``"stranded"``: (batch, tasks),
        tasks such as plus and minus are exchanged. ``"profile"``: (batch, length) or (batch, channels, length). For a
        model with several outputs, a tuple of these or a dict with the outputs' keys, such as
        ``("profile", "invariant")`` for the profile and the counts of BPNet; the result is then a tuple or dict too.
    permutation : "reversed" or sequence of int, optional
        Partner of every task or channel: ``i`` on one strand is ``permutation[i]`` on the other. The default is
        ``"reversed"`` for ``"stranded"``, and none for ``"profile"``, where channels are not permuted. For several
        outputs a tuple or dict of these, such as ``("reversed", None)``.

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
        output_kind: OutputKind | Sequence[OutputKind] | Mapping[str, OutputKind] = "invariant",
        permutation: Any = None,
    ) -> None:
        super().__init__()
        check_choice("average", average, get_args(Average))
        self._outputs = _declared_outputs(output_kind, permutation)
        if average == "probability" and any(getattr(part, "output_is", None) == "value" for part in model.modules()):
            raise ValueError(
                "average='probability' needs logits, but the model declares output_is='value'; average values as they "
                "are, with average='logit'"
            )
        self.model, self.average = model, average
        self.output_kind = output_kind
        self.permutation = self._outputs[None].permutation if isinstance(output_kind, str) else permutation

    def forward(self, x: Float[Tensor, "..."]) -> Any:
        """Average the output for ``x`` and that for its RC, after mapping the second back to the forward strand."""
        check_features(x.shape, 4)
        # The strands alternate, because DeepLIFT compares the first half of every batch with the second.
        both = self.model(torch.stack([x, pairing.reverse_complement_features(x)], dim=1).flatten(0, 1))
        averaged = {}
        for name, y in self._named(both).items():
            output = self._outputs[name]
            output.check(y, x.shape[0])  # not len(), which torch.export would record as a fixed number of sequences
            forward, reverse = y[0::2], output.reverse(y[1::2])
            is_logit = self.average == "logit"
            averaged[name] = (forward + reverse) / 2 if is_logit else _logit_of_mean_probability(forward, reverse)
        return self._like_outputs(averaged)

    @property
    def symmetry(self) -> Symmetry:
        """Paired channels as input; ``output_kind`` and ``permutation`` determine the output."""
        kinds = {output.representation for output in self._outputs.values()}
        return Symmetry(input="paired", output=kinds.pop() if len(kinds) == 1 else "own")

    @property
    def views(self) -> list[tuple[Representation, Callable[[Tensor], Tensor]]]:
        """Representation of each output, and the function that returns it as it is for the reverse complement."""
        return [(output.representation, output.reverse) for output in self._outputs.values()]

    def to_plain(self) -> nn.Module:
        """Raise: a chain of modules sees one strand."""
        refuse_plain("applies its model to both strands")

    def reverse_output(self, y: Any) -> Any:
        """Return what the output would be for the reverse complement; applied twice, it changes nothing."""
        return self._like_outputs({name: self._outputs[name].reverse(part) for name, part in self._named(y).items()})

    def _named(self, y: Any) -> dict[Any, Any]:
        """Outputs of the model by index or key, as they are declared; one tensor under None."""
        if isinstance(self.output_kind, str):
            if not isinstance(y, Tensor):
                raise ValueError(
                    f"output_kind={self.output_kind!r} is that of one tensor, and the model returned a "
                    f"{type(y).__name__}; pick one of its entries with rcviz.as_sequence_model(model, output=...), or "
                    f"give the kind of each, such as output_kind=('profile', 'invariant') or a dict"
                )
            return {None: y}
        is_mapping = isinstance(self.output_kind, Mapping)
        entries: dict[Any, Any] = dict(y) if isinstance(y, Mapping) else {}
        if isinstance(y, (tuple, list)):
            entries = dict(enumerate(y))
        if isinstance(y, Mapping) != is_mapping or entries.keys() != self._outputs.keys():
            got = f"{type(y).__name__} of {', '.join(map(repr, entries)) or 'no entries'}"
            raise ValueError(
                f"output_kind must name a kind for each output of the model, got {self.output_kind!r} for a {got}; "
                f"pass a tuple in the order of the outputs, or a dict with their keys"
            )
        return entries

    def _like_outputs(self, named: dict[Any, Tensor]) -> Any:
        if isinstance(self.output_kind, str):
            return named[None]
        return named if isinstance(self.output_kind, Mapping) else tuple(named.values())

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
    dtype = one.dtype
    wide = torch.promote_types(dtype, torch.float32)  # the difference of two logarithms loses the digits of a half
    one, other = one.to(wide), other.to(wide)
    probability = torch.logaddexp(F.logsigmoid(one), F.logsigmoid(other))
    complement = torch.logaddexp(F.logsigmoid(-one), F.logsigmoid(-other))
    return (probability - complement).to(dtype)
