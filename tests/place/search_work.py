"""Work for other processes, which import it by name."""

from __future__ import annotations

import os
import time
from pathlib import Path


def square(task: int) -> tuple[int, int]:
    """The result, and who found it."""
    time.sleep(0.1)
    return task * task, os.getpid()


def note_and_wait(folder: str, task: int) -> None:
    """Leaves a file with the number of its process, and goes on for long."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600 + task)


def dies_once(folder: str, task: int) -> int:
    """Ends its process the first time that task 3 is tried."""
    mark = Path(folder) / "died"
    if task == 3 and not mark.exists():
        mark.touch()
        os._exit(1)
    return -task


def dies(task: int) -> int:
    os._exit(1)
