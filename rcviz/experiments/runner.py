"""A sweep that can be killed at any time: joblib does the scheduling, a folder of records remembers what is done."""

import os
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from rcviz._core.checks import check_choice, check_positive
from rcviz.experiments.arms import Scale, arms_of, chosen_arms, seeds_of
from rcviz.experiments.measure import measure
from rcviz.experiments.runs import Run, runs_of
from rcviz.experiments.store import Record, Store
from rcviz.experiments.tables import tabulate_runs

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_STORE = Path("runs/experiments")


class FailedRunsWarning(UserWarning):
    """Some runs of a sweep failed; the others are done."""


def run_experiment(
    figure: str,
    *,
    scale: Scale = "paper",
    seeds: int | Iterable[int] = 10,
    store: str | os.PathLike[str] | None = None,
    backend: Literal["loky", "dask"] | None = None,
    data: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    arms: str | Sequence[str] = "all",
    device: str = "cpu",
    n_jobs: int | None = None,
    progress: bool = True,
) -> "pd.DataFrame":
    """Train and measure every arm of one of the paper's figures, and go on where an earlier call was stopped.

    Each finished run is one JSON file in the store and is never done again, whichever figure asks for it; a run that
    was killed goes on from its checkpoint, with the same numbers. A run that fails is noted there with its error,
    does not stop the others, and is tried again by the next call.

    Parameters
    ----------
    figure : str
        "fig2" to "fig6", "fig7a", "fig7b", or "fig7" for both; "choices" is Figure 3 under other choices where the
        paper leaves one open.
    scale : "paper" or "quick"
        The paper's own numbers, or the same shape in minutes: fewer sequences and epochs, and for ChIP-seq the bundled
        example with one-layer networks.
    seeds : int or list of int
        So many from 0 on, or these.
    store : path-like, optional
        Folder of the records, by default ``runs/experiments``.
    backend : "loky" or "dask", optional
        Processes on this machine, or the Dask cluster whose ``distributed.Client`` is running; all its workers must see
        the same files.
    data : path-like, optional
        Folder with ``CTCF.safetensors``, ``SPI1.safetensors`` and ``MAX.safetensors``, as rcviz windows writes them;
        for Figures 4 to 7 at scale "paper". Where the paper's chromosomes are not in them, others stand in, and every
        row says so.
    epochs : int, optional
        Most epochs of a training, instead of those of the scale.
    arms : "all", "paper" or list of names
        All arms, those that the paper shows (without the rivals), or those named.
    device : str
        As in :class:`rcviz.TrainConfig`; numbers of different devices differ, and so do the names of their runs.
    n_jobs : int, optional
        Runs at a time, by default one a core; each has one thread.
    progress : bool
        Show runs done, running and failed, and the time left.

    Returns
    -------
    DataFrame
        The figure's rows of :func:`rcviz.experiments.tables.runs_table` for these arms and seeds.

    Raises
    ------
    ValueError, FileNotFoundError
        Before anything is trained, when data are missing or an option does not fit.

    Warns
    -----
    FailedRunsWarning
        When runs failed, with the first error.

    Examples
    --------
    >>> import rcviz
    >>> runs = rcviz.run_experiment("fig3", scale="quick", seeds=3, arms="paper", store="runs")  # doctest: +SKIP
    >>> rcviz.plot_architectures(runs)  # doctest: +SKIP
    """
    if backend is not None:
        check_choice("backend", backend, ("loky", "dask"))
    if n_jobs is not None:
        check_positive("n_jobs", n_jobs)
    chosen = chosen_arms(arms_of(figure, scale=scale, epochs=epochs, device=device), arms)
    runs = runs_of(chosen, seeds_of(seeds), scale=scale, data=None if data is None else Path(data))
    kept = Store(Path(store or DEFAULT_STORE).absolute())
    kept.tidy()
    wanted = {run.id: run for run in runs}
    failures = _sweep(list(wanted.values()), kept, figure, backend, n_jobs, progress=progress)
    if failures:
        warnings.warn(
            f"{len(failures)} of {len(wanted)} runs of {figure} failed, the first with: {failures[0]['error']}; what "
            f"happened stands in {kept.folder}/*.failed.json, and the same call tries them again",
            FailedRunsWarning,
            stacklevel=2,
        )
    records = {name: kept.read(name) for name in wanted}
    return tabulate_runs((record, run.arm) for run in runs if (record := records[run.id]) is not None)


def _sweep(
    runs: list[Run], store: Store, figure: str, backend: str | None, n_jobs: int | None, *, progress: bool
) -> list[Record]:
    """Do all runs that are not done, whatever happens to one of them; give the failures."""
    import joblib
    from tqdm.auto import tqdm

    failures: list[Record] = []
    left = [run for run in runs if store.read(run.id) is None]
    with (
        joblib.parallel_config(backend=backend or "loky", n_jobs=n_jobs or -1),
        tqdm(total=len(runs), initial=len(runs) - len(left), desc=figure, unit="run", disable=not progress) as bar,
    ):
        n_at_once = joblib.effective_n_jobs(n_jobs or -1)

        def tell(outcome: Record) -> None:
            if outcome:
                bar.update()
                failures.extend([outcome] if "error" in outcome else [])
            bar.set_postfix_str(f"{min(bar.total - bar.n, n_at_once)} running, {len(failures)} failed")

        tell({})
        alone = False
        while left:
            finished = set()
            try:
                for outcome in _outcomes(left[:1] if alone else left, store.folder):
                    finished.add(outcome["id"])
                    tell(outcome)
            except _worker_died(backend) as error:
                # It may have been ended for its memory, and the others with it. All begin again from their
                # checkpoints; if not one of them was finished, the first by itself, to see whether it is the one.
                if alone:
                    finished.add(left[0].id)
                    tell(_failed(left[0], store, error))
                alone = not finished
            else:
                alone = False
            left = [run for run in left if run.id not in finished]
    return failures


def _outcomes(runs: list[Run], folder: Path) -> Iterator[Record]:
    """Yield what came of every run as it ends, in any order."""
    import joblib

    parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
    yield from parallel(joblib.delayed(_perform)(run, folder) for run in runs)


def _worker_died(backend: str | None) -> tuple[type[Exception], ...]:
    """What is raised when the process of a run was killed."""
    if backend != "dask":
        return (BrokenExecutor,)
    from distributed.scheduler import KilledWorker

    return (KilledWorker,)


def _perform(run: Run, folder: Path) -> Record:
    """Do one run in a worker and keep its record; an error is kept as well and ends nothing."""
    store = Store(folder)
    try:
        if store.read(run.id) is None:  # another sweep may have done it meanwhile
            with one_thread():
                store.write(measure(run, store.checkpoint(run.id)))
        return {"id": run.id}
    except Exception as error:
        return _failed(run, store, error)


def _failed(run: Run, store: Store, error: Exception) -> Record:
    failure = {
        "id": run.id,
        "figure": run.arm.figure,
        "arm": run.arm.name,
        "seed": run.seed,
        "error": f"{type(error).__name__}: {' '.join(str(error).split())}",
        "traceback": "".join(traceback.format_exception(error)),
    }
    store.write_failure(failure)
    return failure


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread of torch: runs beside each other fill the cores, and a sum has one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
