"""Model cards: the data, the training and the metrics of a model, stored in its file as plain data."""

import dataclasses
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rcviz._core.checks import brief, quoted
from rcviz.metrics import METRIC_NAMES
from rcviz.models.config import ModelConfig

_TEXTS, _COUNTS, _METRICS = ("part", "task"), ("n", "n_positive", "n_negative"), ("auroc", "auprc")
COLUMNS = (*_TEXTS, *_COUNTS, *_METRICS)
_OF_VALUES = ("pearson", "spearman", "mse")
VALUE_COLUMNS = (*_TEXTS, "n", *_OF_VALUES)
_REQUIRED: dict[str, tuple[str, ...]] = {"data": ("name", "fingerprint"), "strand_gap": ("part", "n", "max", "mean")}
_TITLES = {"n": "sequences", "n_positive": "positive", "n_negative": "negative", **METRIC_NAMES}


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Description of a model: its data, split, metrics, strand gap and training; :func:`rcviz.model_card` makes one.

    Attributes
    ----------
    config : ModelConfig
        Configuration of the model.
    data : dict
        ``name``, ``fingerprint`` (SHA-256 of sequences and labels of all parts), and any further entries.
    split : dict
        How the data was divided, as in the section [split] of the configuration of ``rcviz train``.
    metrics : list of dict
        Metrics by part and task: part, task, n (sequences), n_positive, n_negative, auroc, auprc; where labels are
        values part, task, n (known labels), pearson, spearman, mse. None if undefined.
    strand_gap : dict
        Difference between the predicted probabilities, or values, of the two strands in float32: ``part`` and ``n``
        name the sequences, ``max`` and ``mean`` are those of the absolute difference.
    training : dict
        Settings of the training run, with the names in :class:`TrainConfig`, and ``best_epoch``.
    rcviz : str
        Version that made the model.
    notes : str
        Anything else, such as the purpose of the model.

    Examples
    --------
    >>> training = rcviz.TrainConfig.chipseq(epochs=1)
    >>> card = rcviz.model_card(model, parts, name="CTCF, GM12878", training=training, notes="not trained yet")
    >>> card.data["name"], card.strand_gap["part"]
    ('CTCF, GM12878', 'test')
    >>> text = card.markdown()
    """

    config: ModelConfig
    data: Mapping[str, Any]
    split: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    strand_gap: Mapping[str, Any]
    training: Mapping[str, Any]
    rcviz: str
    notes: str = ""

    def __post_init__(self) -> None:
        for name, value in self.to_json().items():
            object.__setattr__(self, name, _plain(name, value))
        for name, keys in (*_REQUIRED.items(), ("split", ()), ("training", ())):
            _check_keys(name, getattr(self, name), keys)
        _check_types("the card", {"rcviz": self.rcviz, "notes": self.notes}, str)
        _check_types("data", {key: self.data[key] for key in _REQUIRED["data"]}, str)
        _check_types("strand_gap", {"part": self.strand_gap["part"]}, str)
        _check_types("strand_gap", {"n": self.strand_gap["n"]}, int)
        _check_types("strand_gap", {key: self.strand_gap[key] for key in ("max", "mean")}, int, float)
        if not isinstance(self.metrics, list):
            raise ValueError(f"metrics must be a list of one mapping per part and task, got {quoted(self.metrics)}")
        counts, metrics = self._measured
        for row in self.metrics:
            _check_keys("every row of metrics", row, (*_TEXTS, *counts, *metrics))
            _check_types("every row of metrics", {key: row[key] for key in _TEXTS}, str)
            _check_types("every row of metrics", {key: row[key] for key in counts}, int)
            numbers = {key: row[key] for key in metrics if row[key] is not None}
            _check_types("every row of metrics", numbers, int, float)

    @property
    def _measured(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Columns of the metrics that are counts and numbers, of classes or of values."""
        first = self.metrics[0] if self.metrics else {}
        return (("n",), _OF_VALUES) if isinstance(first, Mapping) and "pearson" in first else (_COUNTS, _METRICS)

    @property
    def table(self) -> pd.DataFrame:
        """:attr:`metrics` as a table, NaN where a metric is undefined."""
        counts, metrics = self._measured
        table = pd.DataFrame(list(self.metrics), columns=[*_TEXTS, *counts, *metrics])
        return table.astype(dict.fromkeys(metrics, float))

    def markdown(self) -> str:
        """Return the card as Markdown; names and notes are escaped, so that they cannot add markup."""
        counts, metrics = self._measured
        rows = [
            [code_span(row[key]).replace("|", "\\|") for key in _TEXTS]
            + [f"{row[key]:,}" for key in counts]
            + ["" if row[key] is None else f"{row[key]:.4g}" if key == "mse" else f"{row[key]:.4f}" for key in metrics]
            for row in self.metrics
        ]
        numbers = (*counts, *metrics)
        titles = [*_TEXTS, *(_TITLES[key] for key in numbers)]
        table = [titles, ("---",) * len(_TEXTS) + ("---:",) * len(numbers), *rows]
        gap, config = self.strand_gap, self.config
        scale = "values" if config.output_is == "value" else "probabilities"
        widths = ", ".join(map(str, config.kernel_sizes))
        further = {name: value for name, value in self.data.items() if name not in _REQUIRED["data"]}
        parts = [
            "# Model card",
            f"A {config.architecture} network for sequences of {config.sequence_length:,} bp: convolutions of "
            f"{config.n_filters} filters (width {widths}), {config.head}, {config.n_tasks} "
            f"{'output' if config.n_tasks == 1 else 'outputs'}. Made with rcviz {code_span(self.rcviz)}.",
            "## Data",
            f"{code_span(self.data['name'])}, SHA-256 of sequences and labels {code_span(self.data['fingerprint'])}.",
            *([_block(further)] if further else []),
            "\n".join(f"| {' | '.join(row)} |" for row in table),
            "## Split",
            _block(self.split),
            "## Strands",
            f"In float32, the predicted {scale} of the two strands of the {gap['n']:,} sequences of "
            f"{code_span(gap['part'])} differ by at most {gap['max']:.2g}, by {gap['mean']:.2g} on average.",
            "## Training",
            _block(self.training),
        ]
        if self.notes:
            parts += ["## Notes", f"```text\n{_without_fences(self.notes)}\n```"]
        return "\n\n".join(parts) + "\n"

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def to_json(self) -> dict[str, Any]:
        """Everything but the configuration, which a model's file always holds."""
        fields = dataclasses.fields(self)
        return {field.name: getattr(self, field.name) for field in fields if field.name != "config"}

    @classmethod
    def from_json(cls, config: ModelConfig, content: Any) -> "ModelCard":
        """Undo :meth:`to_json`; entries that a later version has added are ignored."""
        names = {field.name for field in dataclasses.fields(cls)} - {"config"}
        _check_keys("a card", content, sorted(names - {"notes"}))
        return cls(config=config, **{name: value for name, value in content.items() if name in names})


def _plain(name: str, value: Any) -> Any:
    """Convert a value to what JSON gives back, so that reading returns exactly what was written."""
    try:
        text = json.dumps(value, allow_nan=False, default=operator.methodcaller("item"), ensure_ascii=False)
        return json.loads(text.encode())  # half a character, which JSON can spell, cannot be encoded
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold text, finite numbers, lists and mappings only: {brief(error)}") from error


def _check_keys(name: str, value: Any, keys: Sequence[str]) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a mapping, got {type(value).__name__}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise ValueError(f"{name} must have {', '.join(keys)}, got a mapping without {', '.join(missing)}")


def _check_types(name: str, values: Mapping[str, Any], *kinds: type) -> None:
    for key, value in values.items():
        if type(value) not in kinds:
            wanted = "text" if str in kinds else "a whole number" if float not in kinds else "a number"
            raise ValueError(f"{key} of {name} must be {wanted}, got {quoted(value)}")


def code_span(text: Any) -> str:
    """Put text into a code span, in which Markdown and HTML are not interpreted."""
    return "`{}`".format(" ".join(str(text).replace("`", "'").split()))


def _block(values: Mapping[str, Any]) -> str:
    lines = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
    return f"```text\n{_without_fences(lines)}\n```"


def _without_fences(text: str) -> str:
    return text.replace("```", "'''")
