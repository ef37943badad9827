"""What a training monitor says about a run."""

from collections.abc import Sequence
from typing import Any

from rcviz.metrics import METRIC_NAMES
from rcviz.training.config import TrainConfig
from rcviz.training.history import EpochRecord
from rcviz.training.session import Status, TrainingProgress
from rcviz.widgets.data import finite
from rcviz.widgets.training_start import Plan


def start_message(plan: Plan, name: str, seed: int, *, best: bool) -> str:
    """Describe what a start would do now; ``best`` says that the model has the best weights of the last run."""
    present = "the best weights so far" if best else "the present weights, which are not those of a finished epoch"
    return {
        "as given": "Start trains the given model in place, from its present weights.",
        "go on": f"Start continues from {present}; with another setting it starts again.",
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
    if status == "running":
        return f"Training; {_best(records, config, so_far=True)}." if records else "Training."
    if status == "paused":
        return f"Paused in epoch {max(progress.epoch, 1)}; {_best(records, config, so_far=True)}. The kernel is free."
    if status == "stopping":
        return "Stopping after the present batch."
    if status == "failed":
        weights = f"the best weights so far, of epoch {records[-1].best_epoch}," if records else "its starting weights"
        return f"The training failed in epoch {max(progress.epoch, 1)}; the model has {weights} and can be used."
    if not records:
        return "Stopped before the first epoch was complete: the model has the latest weights."
    best = f"{_best(records, config)}: the model has its weights."
    if status == "stopped":
        return f"Stopped in epoch {max(progress.epoch, len(records))}; {best}"
    early = "" if len(records) == config.epochs else f", as {config.patience} epochs brought no improvement"
    return f"Finished after epoch {len(records)}{early}; {best}"


def run_note(config: TrainConfig, continued: int) -> str:
    """Describe the settings of a run; ``continued`` is the number of the run that it continues, or 0."""
    parts = [f"seed {config.seed}", f"learning rate {config.learning_rate:g}"]
    parts += ["augmented"] * (config.augmentation == "revcomp")
    parts += [f"continues run {continued}"] * bool(continued)
    return ", ".join(parts)


def share(progress: TrainingProgress, config: TrainConfig) -> float:
    """Share of all epochs that is done."""
    samples = min(progress.n_samples / config.samples_per_epoch, 1)
    return float((max(progress.epoch, 1) - 1 + samples) / config.epochs)


def numbers(progress: TrainingProgress, config: TrainConfig) -> dict[str, Any]:
    """Epochs, samples, speed and time left, as the page has them."""
    return {
        "epoch": progress.epoch,
        "n_epochs": config.epochs,
        "n_samples": progress.n_samples,
        "samples_per_epoch": config.samples_per_epoch,
        "n_validated": progress.n_validated,
        "rate": finite(progress.samples_per_second),
        "left": finite(progress.seconds_left),
    }


def _best(records: Sequence[EpochRecord], config: TrainConfig, *, so_far: bool = False) -> str:
    if not records:
        return "no epoch is complete yet"
    best = records[records[-1].best_epoch - 1]
    value = getattr(best.valid, str(config.monitor))
    return f"best epoch{' so far' * so_far} {best.epoch}, validation {METRIC_NAMES[str(config.monitor)]} {value:.3f}"
