"""Where the work of a search is done: here, in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import TypeVar

from wse_sim.errors import RunError, UsageError

T = TypeVar("T")
R = TypeVar("R")
ATTEMPTS = 3  # of a task whose worker dies
CONNECT_SECONDS = 10


def each(work: Callable[[T], R], tasks: Sequence[T], *, workers: int = 0, scheduler: str | None = None
         ) -> Iterator[tuple[T, R]]:  # fmt: skip
    """Tasks and their results, as they come.

    workers    processes; 1: none but this; 0: one for each core
    scheduler  address of a Dask cluster to use instead, as tcp://host:8786
    A task whose worker dies is given to another. What the work raises ends it all.
    """
    if scheduler is not None:
        return _on_cluster(work, tasks, scheduler)
    count = min(workers or os.cpu_count() or 1, len(tasks))
    if count <= 1:
        return ((task, work(task)) for task in tasks)
    return _in_processes(work, tasks, count)


def _in_processes(work: Callable[[T], R], tasks: Sequence[T], count: int) -> Iterator[tuple[T, R]]:
    left = list(enumerate(tasks))
    for _ in range(ATTEMPTS):
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent)
        waiting: dict[Future[R], int] = {}
        try:
            waiting = {pool.submit(work, task): index for index, task in left}
            while waiting:
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    index = waiting.pop(future)
                    left = [pair for pair in left if pair[0] != index]
                    yield tasks[index], result
            return
        except BrokenProcessPool:
            continue
        finally:
            for future in waiting:
                future.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
    raise RunError(
        f"a worker process died {ATTEMPTS} times with {len(left)} tasks left: expected memory enough for each; "
        "try fewer --workers"
    )


def _end_with_parent() -> None:
    """A worker whose parent is killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _on_cluster(work: Callable[[T], R], tasks: Sequence[T], scheduler: str) -> Iterator[tuple[T, R]]:
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise UsageError("--scheduler needs dask: pip install 'wse-sim[dask]'") from None
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--scheduler {scheduler}: {error}; expected the address of a running Dask scheduler, as tcp://host:8786"
        ) from None
    try:
        tried = dict.fromkeys(range(len(tasks)), 1)
        waiting = {client.submit(work, task, pure=False): index for index, task in enumerate(tasks)}
        coming = as_completed(waiting, loop=client.loop)
        for future in coming:
            index = waiting.pop(future)
            try:
                result = future.result()
            except KilledWorker as error:
                if tried[index] >= ATTEMPTS:
                    raise RunError(f"workers of {scheduler} died with task {tasks[index]!r}: {error}") from None
                tried[index] += 1
                again = client.submit(work, tasks[index], pure=False)
                waiting[again] = index
                coming.add(again)
                continue
            yield tasks[index], result
    finally:
        client.close()
