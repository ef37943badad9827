"""A sweep that can be killed at any time: joblib schedules the runs, a folder of records stores the finished ones."""

import os
import tempfile
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import torch
from torch import nn

from rcviz._core.checks import check_positive, shown
from rcviz.layers.strategies import RevCompConjoined
from rcviz.models.threads import Threads
from rcviz.sequences.sequence_set import SequenceSet
from rcviz.sequences.splits import Splits
from rcviz.sweeps.arms import Arm, checked_arms, seeds_of
from rcviz.sweeps.identity import describe_function, digest_of_data, digest_of_network, run_id
from rcviz.sweeps.result import Sweep
from rcviz.sweeps.store import Record, Store
from rcviz.sweeps.training import Measure, Run, train_run
from rcviz.training.checkpoint import digest_of_weights
from rcviz.training.checks import check_training

if TYPE_CHECKING:
    from distributed import Client


class FailedRunsWarning(UserWarning):
    """Some runs of a sweep failed; the others are finished."""


def sweep(
    arms: Mapping[str, Arm],
    splits: Splits,
    *,
    seeds: int | Iterable[int] = 10,
    store: str | os.PathLike[str] | None = None,
    backend: "Literal['loky', 'dask'] | Client | None" = None,
    n_jobs: int | None = None,
    measure: Measure | Mapping[str, Measure] | None = None,
    progress: bool = True,
) -> Sweep:
    """Train every arm with every seed, evaluate the best epochs on the test part, and continue an earlier call.

    Each finished run is one JSON file in the store, written atomically and not repeated; a run that was killed
    continues from its checkpoint, with the same numbers. A run that fails is recorded with its error, does not stop the
    others, and is tried again by the next call. When a worker is killed, for example because memory ran out, its runs
    start again; only a run that kills its worker when it runs alone is recorded as failed. Several sweeps may use one
    store at the same time.

    Parameters
    ----------
    arms : dict from name to Arm
        Arms with the same training share one training run.
    splits : Splits
        Train, validate and test, all labelled; the test part may be empty.
    seeds : int or list of int
        Number of seeds (0, 1, ...), or a list of seeds. A seed determines the starting weights and the order of the
        samples.
    store : path-like, optional
        Folder of the records. It may hold runs of other sweeps. When two runs are the same is described
        in :mod:`rcviz.sweeps.identity`. None uses a temporary folder that is removed at the end: the result is
        complete, but a sweep that is interrupted starts from the beginning. Give a folder for any sweep that takes more
        than a minute.
    backend : "loky", "dask" or a running distributed.Client, optional
        Processes on this machine (default), or a Dask cluster: "dask" uses the current client. All its
        workers must see the store.
    n_jobs : int, optional
        Number of runs at a time, each with one thread; by default one per core, or one if an arm trains on a GPU.
        One thread also fixes the order of sums: :func:`rcviz.fit` on several has other last digits.
    measure : callable, or dict from arm name to callable, optional
        ``measure(model, splits) -> dict from names to DataFrames``: further tables of every run, for
        :attr:`Sweep.measured`. The model is the one that was trained, with the weights of its best epoch: a
        :class:`rcviz.RevCompConjoined` around the network for a siamese arm, the network itself for the others.
        ``splits`` is what it was trained on, with the run's share of the training part. Cells must be numbers, strings,
        None, or lists of these. The function is part of the identity of a run: with another function, runs are
        trained again.
    progress : bool
        Show the number of finished, running and failed runs, and the time left.

    Returns
    -------
    Sweep
        Results without the failed runs.

    Raises
    ------
    ValueError
        Before anything is trained, when arms, splits or options do not fit each other.

    Warns
    -----
    FailedRunsWarning
        When runs failed, with the first error.

    Examples
    --------
    >>> import rcviz
    >>> parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
    >>> size = {"n_filters": 4, "sequence_length": 200, "pool_size": 31}
    >>> training = rcviz.TrainConfig(epochs=1, batch_size=100, samples_per_epoch=500)
    >>> arms = {
    ...     name: rcviz.Arm(model=rcviz.ModelConfig.one_layer(name, **size), training=training)
    ...     for name in ("revcomp", "standard")
    ... }
    >>> result = rcviz.sweep(arms, parts, seeds=2, n_jobs=1, progress=False)
    >>> result.test[["arm", "seed"]].values.tolist()
    [['revcomp', 0], ['revcomp', 1], ['standard', 0], ['standard', 1]]
    """
    arms, listed = checked_arms(arms), seeds_of(seeds)
    splits = checked_splits(splits)
    cluster = _cluster(backend, store)
    if n_jobs is not None:
        check_positive("n_jobs", n_jobs)
    runs = _runs_of(arms, listed, splits, _measures(measure, arms), is_here=cluster is None)
    wanted = {run.id: run for run in runs.values()}
    with _folder(store) as folder:
        kept = Store(folder)
        kept.tidy()
        # A GPU is not shared.
        on_gpu = any(arm.training.device != "cpu" and torch.cuda.is_available() for arm in arms.values())
        n_jobs = n_jobs or (1 if on_gpu else -1)
        failures = _do_all(list(wanted.values()), splits, kept, cluster, n_jobs, progress=progress)
        records = {run: kept.read(run) for run in wanted}
    if failures:
        where = "" if store is None else f"; what happened is in {folder}/*.failed.json"
        warnings.warn(
            f"{len(failures)} of {len(wanted)} runs failed, the first with: {next(iter(failures.values()))['error']}"
            f"{where}; the same call tries them again",
            FailedRunsWarning,
            stacklevel=2,
        )
    done = {key: record for key, run in runs.items() if (record := records[run.id]) is not None}
    failed = [{"arm": arm, **failures[run.id]} for (arm, _), run in runs.items() if run.id in failures]
    table = pd.DataFrame(failed, columns=["arm", "seed", "error", "traceback"])
    return Sweep(arms=arms, seeds=listed, records=done, failures=table)


def _cluster(backend: Any, store: Any) -> dict[str, Any] | None:
    """Return joblib's options for a Dask cluster; None for processes on this machine."""
    if backend is None or backend == "loky":
        return None
    is_client = all(hasattr(backend, name) for name in ("scatter", "submit", "ncores"))
    if backend != "dask" and not is_client:
        raise ValueError(f"backend must be loky, dask or a running distributed.Client, got {shown(backend)}")
    if store is None:
        raise ValueError("backend: a Dask cluster needs store=..., a folder that all its workers see")
    return {"client": backend} if is_client else {}


def checked_splits(splits: Any) -> Splits:
    """Return three labelled parts, of which the test part may be empty; refuse anything else."""
    if not isinstance(splits, tuple) or len(splits) != 3 or not all(isinstance(part, SequenceSet) for part in splits):
        raise ValueError(
            f"splits must be three SequenceSets (train, valid, test), as rcviz.split gives them, got "
            f"{type(splits).__name__}"
        )
    parts = Splits(*splits)
    for name, part in parts._asdict().items():
        if part.labels is None and (len(part) or name != "test"):
            raise ValueError(f"splits: {name} has no labels; make it with SequenceSet(codes, labels)")
    kinds = {part.label_kind for part in parts if part.labels is not None}
    if len(kinds) > 1:
        raise ValueError("splits: some labels are classes and some are values; give all parts the same label_kind")
    test = parts.test
    if len(test) and (test.task_names != parts.train.task_names or test.length != parts.train.length):
        raise ValueError(
            f"splits: train has tasks {parts.train.task_names} on {parts.train.length} bp, test {test.task_names} on "
            f"{test.length} bp; make all parts from one SequenceSet"
        )
    return parts


def _measures(measure: Any, arms: Mapping[str, Arm]) -> dict[str, Measure | None]:
    """Return the measure of every arm."""
    by_arm = dict(measure) if isinstance(measure, Mapping) else dict.fromkeys(arms, measure)
    for name, function in by_arm.items():
        if name not in arms:
            raise ValueError(f"measure names the arm {name!r}, which is not one of {', '.join(arms)}")
        if function is not None and not callable(function):
            raise ValueError(f"measure must be a function (model, splits) -> dict of tables, got {shown(function)}")
    return {name: by_arm.get(name) for name in arms}


def _runs_of(
    arms: Mapping[str, Arm],
    seeds: tuple[int, ...],
    splits: Splits,
    measures: Mapping[str, Measure | None],
    *,
    is_here: bool,
) -> dict[tuple[str, int], Run]:
    """Return the run of every arm and seed, ordered by seed, after checking that all can be trained."""
    for name, arm in arms.items():
        _check(name, arm, seeds[0], splits, is_here=is_here)
    data = digest_of_data(splits)
    runs: dict[tuple[str, int], Run] = {}
    sharing: dict[str, list[str]] = {}
    for seed in seeds:
        for name, arm in arms.items():
            network, weights = "", ""
            if callable(arm.model):
                built = _built(name, arm, seed)
                network, weights = digest_of_network(built), digest_of_weights(built.state_dict())
            measure = measures[name]
            key = run_id(arm, seed, data, network=network, measure=describe_function(measure))
            names = sharing.setdefault(key, [])
            names.append(name)
            runs[name, seed] = Run(arm=arm, seed=seed, id=key, names=tuple(names), weights=weights, measure=measure)
    return runs


def _built(name: str, arm: Arm, seed: int) -> nn.Module:
    try:
        return arm.build(seed)
    except Exception as error:
        raise ValueError(f"arms: the model of {name!r} cannot be built with seed {seed}: {error}") from error


def _check(name: str, arm: Arm, seed: int, splits: Splits, *, is_here: bool) -> None:
    """Refuse an arm that cannot be trained on these parts; another machine may have other devices.

    A function that builds another network each time is refused, too: its runs would have another name in every sweep.
    """
    network = _built(name, arm, seed)
    if callable(arm.model) and digest_of_network(network) != digest_of_network(_built(name, arm, seed)):
        raise ValueError(
            f"arms: the model of {name!r} builds another network each time it is called with the same seed, so that "
            f"its runs could not be resumed; draw its weights with torch, or from the seed"
        )
    try:
        if arm.strategy == "conjoined":
            RevCompConjoined(network, average=arm.average)  # refuses an average that the outputs do not have
        if is_here:
            check_training(arm.as_trained(network), splits.train, splits.valid, arm.training)
    except ValueError as error:
        raise ValueError(f"arms: {name!r} cannot be trained: {error}") from error


@contextmanager
def _folder(store: str | os.PathLike[str] | None) -> Iterator[Path]:
    if store is not None:
        yield Path(store).absolute()
        return
    with tempfile.TemporaryDirectory(prefix="rcviz_sweep_") as folder:
        yield Path(folder)


def _do_all(
    runs: list[Run], splits: Splits, store: Store, cluster: dict[str, Any] | None, n_jobs: int, *, progress: bool
) -> dict[str, Record]:
    """Execute all unfinished runs, even if some of them fail; return the failures by run."""
    import joblib
    from tqdm.auto import tqdm

    failures: dict[str, Record] = {}
    left = [run for run in runs if store.read(run.id) is None]
    done = len(runs) - len(left)
    alone = False
    with tqdm(total=len(runs), initial=done, desc="sweep", unit="run", disable=not progress) as bar:
        while left:
            finished = set()
            try:
                with _parallel(cluster, n_jobs, splits):
                    n_at_once = joblib.effective_n_jobs(n_jobs)
                    bar.set_postfix_str(_counts(bar, n_at_once, failures))
                    for outcome in _outcomes(left[:1] if alone else left, splits, store.folder):
                        finished.add(outcome["id"])
                        if "error" in outcome:
                            failures[outcome["id"]] = outcome
                        bar.update()
                        bar.set_postfix_str(_counts(bar, n_at_once, failures))
            except _worker_died(cluster) as error:
                # The system may have killed it because memory ran out, and joblib then ends the other workers. All
                # unfinished runs start again from their checkpoints; if no run was finished, the first one runs alone,
                # to find out whether it is the cause.
                if alone:
                    finished.add(left[0].id)
                    failures[left[0].id] = _failed(left[0], store, error)
                    bar.update()
            alone = not finished
            left = [run for run in left if run.id not in finished]
    return failures


def _counts(bar: Any, n_at_once: int, failures: Mapping[str, Record]) -> str:
    return f"{min(bar.total - bar.n, n_at_once)} running, {len(failures)} failed"


@contextmanager
def _parallel(cluster: dict[str, Any] | None, n_jobs: int, splits: Splits) -> Iterator[None]:
    """Set up joblib; a cluster gets the sequences once, processes here read them from one copy in a file."""
    import joblib

    options: dict[str, Any] = {"backend": "loky", "n_jobs": n_jobs}
    if cluster is not None:
        options = {"backend": "dask", "scatter": [splits], **cluster}
    with joblib.parallel_config(**options):
        yield


def _outcomes(runs: list[Run], splits: Splits, folder: Path) -> Iterator[Record]:
    """Yield the outcome of every run as it ends, in any order."""
    import joblib

    parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
    yield from parallel(joblib.delayed(_perform)(run, splits, folder) for run in runs)


def _worker_died(cluster: dict[str, Any] | None) -> tuple[type[BaseException], ...]:
    """Return the errors that are raised when the process of a run was killed."""
    if cluster is None:
        return (BrokenExecutor,)
    from distributed.scheduler import KilledWorker

    return (KilledWorker, CancelledError)  # the latter when the sequences were lost with it


def _perform(run: Run, splits: Splits, folder: Path) -> Record:
    """Execute one run in a worker and store its record; an error is stored as well and does not end the sweep."""
    store = Store(folder)
    try:
        if store.read(run.id) is None:  # another sweep may have done it meanwhile
            with one_thread():
                store.write(train_run(run, splits, store.checkpoint(run.id)))
        return {"id": run.id}
    except Exception as error:
        return _failed(run, store, error)


def _failed(run: Run, store: Store, error: BaseException) -> Record:
    failure = {
        "id": run.id,
        "arms": list(run.names),
        "seed": run.seed,
        "error": f"{type(error).__name__}: {' '.join(str(error).split())}",
        "traceback": "".join(traceback.format_exception(error)),
    }
    store.write_failure(failure)
    return failure


def one_thread() -> Threads:
    """Compute with one thread of torch: runs side by side fill the cores, and a sum has one order."""
    return Threads(1)
