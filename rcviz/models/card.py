"""A model's card: what it was trained on, how, and what came of it; kept in the model's file, as data alone."""

import dataclasses
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rcviz.models.config import ModelConfig

COLUMNS = ("part", "task", "n", "n_positive", "n_negative", "auroc", "auprc")
_NEEDED = {"data": ("name", "fingerprint"), "strand_gap": ("part", "n", "max", "mean")}
_TITLES = ("part", "task", "sequences", "positive", "negative", "auROC", "auPRC")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is worth knowing about a model before it is used; :func:`rcviz.model_card` fills one in.

    Attributes
    ----------
    config : ModelConfig
        Of the model.
    data : dict
        ``name``, ``fingerprint`` (SHA-256 of sequences and labels of all parts), and what else there is to say.
    split : dict
        How the data was divided, as in the section of ``rcviz train``'s configuration.
    scores : list of dict
        By part and task: part, task, n (sequences), n_positive, n_negative, auroc, auprc; None where undefined.
    strand_gap : dict
        How far the predicted probabilities of two strands lie apart in float32: ``part`` and ``n`` (on which
        sequences), ``max`` and ``mean`` of the absolute difference.
    training : dict
        Settings of the training, as :class:`TrainConfig` names them, and ``best_epoch``.
    rcviz : str
        Version that made the model.
    notes : str
        Anything else, such as what the model is meant for.

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
    scores: Sequence[Mapping[str, Any]]
    strand_gap: Mapping[str, Any]
    training: Mapping[str, Any]
    rcviz: str
    notes: str = ""

    def __post_init__(self) -> None:
        for name, value in self.to_json().items():
            object.__setattr__(self, name, _plain(name, value))
        for name, keys in _NEEDED.items():
            _check_keys(name, getattr(self, name), keys)
        for name in ("split", "training"):
            _check_keys(name, getattr(self, name), ())
        if not isinstance(self.rcviz, str) or not isinstance(self.notes, str):
            raise ValueError("rcviz and notes must be text")
        if not isinstance(self.scores, list):
            raise ValueError("scores must be a list of one mapping per part and task")
        for row in self.scores:
            _check_keys("every row of scores", row, COLUMNS)
            scores = [row[key] for key in COLUMNS[5:] if row[key] is not None]
            _check_numbers("every row of scores", [*(row[key] for key in COLUMNS[2:5]), *scores])
        _check_numbers("strand_gap", [self.strand_gap[key] for key in ("n", "max", "mean")])

    @property
    def table(self) -> pd.DataFrame:
        """:attr:`scores` as a table, NaN where a score is undefined."""
        table = pd.DataFrame(list(self.scores), columns=list(COLUMNS))
        return table.astype({"auroc": float, "auprc": float})

    def markdown(self) -> str:
        """Return the card as Markdown; nothing in a name can be taken for more than text."""
        rows = [
            [code_span(row[key]).replace("|", "\\|") for key in ("part", "task")]
            + [f"{row[key]:,}" for key in ("n", "n_positive", "n_negative")]
            + ["" if row[key] is None else f"{row[key]:.4f}" for key in ("auroc", "auprc")]
            for row in self.scores
        ]
        table = [_TITLES, ("---",) * 2 + ("---:",) * 5, *rows]
        gap, config = self.strand_gap, self.config
        widths = ", ".join(map(str, config.kernel_sizes))
        more = {name: value for name, value in self.data.items() if name not in _NEEDED["data"]}
        parts = [
            "# Model card",
            f"A {config.architecture} network for sequences of {config.sequence_length:,} bp: convolutions of "
            f"{config.n_filters} filters (width {widths}), {config.head}, {config.n_tasks} "
            f"{'output' if config.n_tasks == 1 else 'outputs'}. Made with rcviz {code_span(self.rcviz)}.",
            "## Data",
            f"{code_span(self.data['name'])}, SHA-256 of sequences and labels {code_span(self.data['fingerprint'])}.",
            *([_block(more)] if more else []),
            "\n".join(f"| {' | '.join(row)} |" for row in table),
            "## Split",
            _block(self.split),
            "## Strands",
            f"In float32, the predicted probabilities of the two strands of the {gap['n']:,} sequences of "
            f"{code_span(gap['part'])} differ by at most {gap['max']:.2g}, by {gap['mean']:.2g} in the mean.",
            "## Training",
            _block(self.training),
        ]
        if self.notes:
            parts += ["## Notes", f"```text\n{_without_fences(self.notes)}\n```"]
        return "\n\n".join(parts) + "\n"

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def to_json(self) -> dict[str, Any]:
        """Everything but the configuration, which a model's file holds in any case."""
        fields = dataclasses.fields(self)
        return {field.name: getattr(self, field.name) for field in fields if field.name != "config"}

    @classmethod
    def from_json(cls, config: ModelConfig, content: Any) -> "ModelCard":
        """Undo :meth:`to_json`; what a later version may have added is left out."""
        names = {field.name for field in dataclasses.fields(cls)} - {"config"}
        _check_keys("a card", content, sorted(names - {"notes"}))
        return cls(config=config, **{name: value for name, value in content.items() if name in names})


def _plain(name: str, value: Any) -> Any:
    """Bring a value to what JSON gives back, so that reading returns exactly what was written."""
    try:
        text = json.dumps(value, allow_nan=False, default=operator.methodcaller("item"), ensure_ascii=False)
        return json.loads(text.encode())  # half a character, which JSON can spell, cannot be encoded
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold what JSON can (text, finite numbers, lists, mappings): {error}") from error


def _check_keys(name: str, value: Any, keys: Sequence[str]) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a mapping, got {type(value).__name__}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise ValueError(f"{name} must say {', '.join(keys)}; it lacks {', '.join(missing)}")


def _check_numbers(name: str, values: Sequence[Any]) -> None:
    if not all(isinstance(value, int | float) for value in values):
        raise ValueError(f"{name} must count and measure in numbers, got {values}")


def code_span(text: Any) -> str:
    """Put text into a code span, where Markdown and HTML mean nothing."""
    return "`{}`".format(" ".join(str(text).replace("`", "'").split()))


def _block(values: Mapping[str, Any]) -> str:
    lines = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
    return f"```text\n{_without_fences(lines)}\n```"


def _without_fences(text: str) -> str:
    return text.replace("```", "'''")
