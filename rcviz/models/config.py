"""Configuration of a network of the paper, and its three presets (section 3.4)."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rcviz._core.checks import check_choice, check_positive, check_settings, shown
from rcviz.layers.initializers import Initializer, check_initializer

Architecture = Literal["revcomp", "standard"]
Head = Literal["weighted_sum", "flatten"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that determines a network of the paper (section 3.4).

    Parameters
    ----------
    architecture : "revcomp" or "standard"
        Tied layers throughout, or plain torch layers.
    sequence_length : int
        Length of the sequences, in bp.
    n_filters : int
        Filters of every convolution; an RC convolution has twice as many channels.
    kernel_sizes : tuple of int
        Width of each convolution; their number is the depth. Each is followed by batch norm and ReLU.
    pool_size, pool_stride : int
        Max-pooling after the last convolution. The RC model trims an even remainder evenly from both ends; a plain one
        drops it at the right end, as the paper's did.
    n_tasks : int
        Outputs per sequence.
    head : "weighted_sum" or "flatten", optional
        Layer between pooling and the dense layer; by default the weighted sum for ``"revcomp"`` and flattening for
        ``"standard"``, as in the paper.
    freeze_output : bool
        Keep the dense weights at one and the bias at zero, because with one logit they would only rescale the weighted
        sum (section 3.4.2). Needs one task and the weighted sum.
    initializer : "glorot" or "keras1"
        For convolutions; see :func:`rcviz.layers.initializers.conv_limit`.
    batchnorm_eps, batchnorm_momentum : float
        As in :class:`RevCompBatchNorm1d`.
    symmetric, smoothness
        Settings of the weighted sum, see :class:`WeightedSum1d`.
    output_is : "logit" or "value"
        ``"value"`` for a regression, such as log counts; see :func:`rcviz.output_scale`.

    Raises
    ------
    ValueError
        If such a network cannot be built; the message names values that would fit.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.ModelConfig.simulated("revcomp").pooled_length
    9
    """

    architecture: Architecture
    sequence_length: int
    n_filters: int
    kernel_sizes: tuple[int, ...]
    pool_size: int
    pool_stride: int
    n_tasks: int = 1
    head: Head | None = None
    freeze_output: bool = False
    initializer: Initializer = "glorot"
    batchnorm_eps: float = 1e-3
    batchnorm_momentum: float = 0.01
    symmetric: bool = False
    smoothness: float = 0.0
    output_is: Literal["logit", "value"] = "logit"

    def __post_init__(self) -> None:
        check_choice("architecture", self.architecture, get_args(Architecture))
        if not isinstance(self.kernel_sizes, tuple | list):
            raise ValueError(
                f"kernel_sizes is one width per convolution, such as (15, 14, 14), got {shown(self.kernel_sizes)}"
            )
        object.__setattr__(self, "kernel_sizes", tuple(self.kernel_sizes))
        if self.head is None:
            object.__setattr__(self, "head", "weighted_sum" if self.architecture == "revcomp" else "flatten")
        check_choice("head", self.head, get_args(Head))
        check_choice("output_is", self.output_is, ("logit", "value"))
        check_initializer(self.initializer)
        if not self.kernel_sizes:
            raise ValueError("kernel_sizes needs the width of at least one convolution, for example (15,)")
        for name in ("sequence_length", "n_filters", "pool_size", "pool_stride", "n_tasks"):
            check_positive(name, getattr(self, name), most=2**31 - 1)  # torch's pooling takes no more
        for width in self.kernel_sizes:
            check_positive("every kernel size", width)
        for name in ("batchnorm_eps", "batchnorm_momentum", "smoothness"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e9:
                raise ValueError(f"{name} must be a number from 0 to 1e9, got {shown(value)}")
        for name in ("freeze_output", "symmetric"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, got {shown(getattr(self, name))}")
        if self.convolved_length < self.pool_size:
            raise ValueError(
                f"sequences of {self.sequence_length} bp leave {self.convolved_length} positions after convolutions of "
                f"widths {self.kernel_sizes}, fewer than pool_size {self.pool_size}; use longer sequences or a smaller "
                f"pool_size"
            )
        if self.architecture == "revcomp":
            self._check_pooling()
        if self.freeze_output and (self.n_tasks != 1 or self.head != "weighted_sum"):
            raise ValueError(
                "freeze_output keeps all output weights at one, which only makes sense for one task after a weighted "
                f"sum; got n_tasks={self.n_tasks}, head={self.head!r}: use freeze_output=False"
            )

    @property
    def n_channels(self) -> int:
        """Channels of every feature map: RC convolutions have two per filter."""
        return self.n_filters * (2 if self.architecture == "revcomp" else 1)

    @property
    def convolved_length(self) -> int:
        """Positions after the last convolution."""
        return self.sequence_length - sum(width - 1 for width in self.kernel_sizes)

    def _check_pooling(self) -> None:
        """Refuse pooling that treats the strands differently; trimming leaves out an even number of positions."""
        spare = self.convolved_length - self.pool_size
        if spare % self.pool_stride % 2:
            raise ValueError(
                f"with sequence_length={self.sequence_length}, pooling {self.pool_size} wide every {self.pool_stride} "
                f"leaves an odd number of positions over, and the two strands would be pooled differently; "
                f"sequence_length={self.sequence_length - 1} or {self.sequence_length + 1} fits"
            )

    @property
    def pooled_length(self) -> int:
        """Positions after pooling (section 3.6.3)."""
        return 1 + (self.convolved_length - self.pool_size) // self.pool_stride

    @classmethod
    def simulated(cls, architecture: Architecture, *, n_filters: int = 20, **changes: Any) -> "ModelConfig":
        """Section 3.4.1: one convolution of width 21, pooling 20/20, three tasks, 200 bp."""
        return cls._preset(
            changes,
            architecture=architecture,
            n_filters=n_filters,
            sequence_length=200,
            kernel_sizes=(21,),
            pool_size=20,
            pool_stride=20,
            n_tasks=3,
        )

    @classmethod
    def chipseq(cls, architecture: Architecture, *, n_filters: int = 16, **changes: Any) -> "ModelConfig":
        """Section 3.4.2: convolutions of width 15, 14, 14, pooling 40/20, 1,000 bp; the RC output is frozen."""
        return cls._chipseq((15, 14, 14), architecture, n_filters, changes)

    @classmethod
    def one_layer(cls, architecture: Architecture, *, n_filters: int, **changes: Any) -> "ModelConfig":
        """Section 3.5: as :meth:`chipseq` with the first convolution alone, for filters that can be read as motifs."""
        return cls._chipseq((15,), architecture, n_filters, changes)

    @classmethod
    def _chipseq(
        cls, kernel_sizes: tuple[int, ...], architecture: Architecture, n_filters: int, changes: dict[str, Any]
    ) -> "ModelConfig":
        tied_sum = changes.get("head") in (None, "weighted_sum") and architecture == "revcomp"
        return cls._preset(
            changes,
            architecture=architecture,
            n_filters=n_filters,
            sequence_length=1000,
            kernel_sizes=kernel_sizes,
            pool_size=40,
            pool_stride=20,
            freeze_output=tied_sum and changes.get("n_tasks", 1) == 1,
        )

    @classmethod
    def _preset(cls, changes: dict[str, Any], **preset: Any) -> "ModelConfig":
        check_settings("a model", changes, [field.name for field in dataclasses.fields(cls)])
        if "pool_size" in changes:  # adjacent windows are the default for another size
            preset["pool_stride"] = changes["pool_size"]
        return cls(**{**preset, **changes})
