"""Messages of a training monitor."""

import html
import math
from collections.abc import Sequence

from rcviz.metrics import METRIC_NAMES
from rcviz.training.config import TrainConfig
from rcviz.training.history import EpochRecord
from rcviz.training.session import Status, TrainingProgress
from rcviz.widgets._training_start import Plan


def start_message(plan: Plan, name: str, seed: int) -> str:
    """Describe what a start would do now."""
    return {
        "as given": "Start trains the given model in place, from its present weights.",
        "go on": "Start continues from the best weights so far; with another setting it starts again.",
        "again": "Start trains again, in place, from the starting weights.",
        "new weights": f"Start gives the model new starting weights, drawn from seed {seed}.",
        "new model": f"Start builds a new model ({name}) from seed {seed}; the present one is not changed.",
    }[plan]


def status_message(
    status: Status, progress: TrainingProgress, records: Sequence[EpochRecord], config: TrainConfig
) -> str:
    """Describe the status of a run; the sentence changes only with the status and the epochs."""
    if status == "ready":
        return "Nothing has been trained yet."
    best = _best(records, config)
    if status == "running":
        return f"Training; {best}." if records else "Training."
    if status == "paused":
        return f"Paused in epoch {max(progress.epoch, 1)}; {best}. The kernel is free."
    if status == "stopping":
        return "Stopping after the present batch."
    if status == "failed":
        weights = f"the best weights so far, of epoch {records[-1].best_epoch}," if records else "its starting weights"
        return f"The training failed in epoch {max(progress.epoch, 1)}; the model has {weights} and can be used."
    if not records:
        return "Stopped before the first epoch was complete: the model has the latest weights."
    if status == "stopped":
        return f"Stopped in epoch {max(progress.epoch, len(records))}; {best}: the model has its weights."
    early = "" if len(records) == config.epochs else f", as {config.patience} epochs brought no improvement"
    return f"Finished after epoch {len(records)}{early}; {best}: the model has its weights."


def progress_html(progress: TrainingProgress, config: TrainConfig, n_validation: int, name: str) -> str:
    """Write epochs, samples, speed and time left as HTML, with a progress bar for screen readers, too."""
    share = (max(progress.epoch, 1) - 1 + min(progress.n_samples / config.samples_per_epoch, 1)) / config.epochs
    parts = [f"Epoch {progress.epoch} of {config.epochs}"]
    if progress.n_validated:
        parts.append(f"validating {progress.n_validated:,} of {n_validation:,}")
    else:
        parts.append(f"sample {progress.n_samples:,} of {config.samples_per_epoch:,}")
    if math.isfinite(progress.samples_per_second):
        parts.append(f"{progress.samples_per_second:,.0f} samples/s")
    if math.isfinite(progress.seconds_left):
        parts.append(f"{duration(progress.seconds_left)} left")
    label = html.escape(f"Progress of {name}", quote=True)
    return (
        f'<progress max="1" value="{share:.4f}" aria-label="{label}" style="width:100%"></progress>'
        f'<div style="font-variant-numeric:tabular-nums;line-height:1.4">{"; ".join(parts)}</div>'
    )


def duration(seconds: float) -> str:
    """Write a time in its two largest units."""
    whole = round(seconds)
    for unit, name, size, smaller in ((3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // size} {smaller}"
    return f"{whole} s"


def _best(records: Sequence[EpochRecord], config: TrainConfig) -> str:
    if not records:
        return "no epoch is complete yet"
    best = records[records[-1].best_epoch - 1]
    value = getattr(best.valid, str(config.monitor))
    return f"best epoch so far {best.epoch}, validation {METRIC_NAMES[str(config.monitor)]} {value:.3f}"
