"""A moving picture: frames, and the files that hold them."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from wse_sim.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAMPLED = 8  # frames that the colours of a GIF are taken from
Pixels = npt.NDArray[np.uint8]


class Stage(Protocol):
    """What moves: artists, and a way to set them as they are in a cycle."""

    moving: tuple[Any, ...]

    def show(self, cycle: int) -> None:
        """Sets the artists."""


@dataclass(frozen=True, eq=False)
class Movie:
    """A moving picture; in a notebook it shows itself.

    cycles  that the frames show
    """

    ax: Axes
    cycles: range
    frames_per_second: int
    _stage: Stage

    def frames(self) -> Iterator[Pixels]:
        """Every frame, (height, width, 3) uint8: what does not move is drawn once."""
        canvas = _canvas(self.ax)
        artists = self._stage.moving
        self._freeze(canvas)
        for artist in artists:
            artist.set_animated(True)
        canvas.draw()
        still = canvas.copy_from_bbox(canvas.figure.bbox)
        for cycle in self.cycles:
            self._stage.show(cycle)
            canvas.restore_region(still)
            for artist in artists:
                self.ax.draw_artist(artist)
            yield np.asarray(canvas.buffer_rgba())[..., :3].copy()
        for artist in artists:
            artist.set_animated(False)

    def _freeze(self, canvas: Any) -> None:
        """Makes room for labels and legend, once."""
        canvas.draw()
        canvas.figure.set_layout_engine("none")

    def save(self, path: str | Path) -> Path:
        """Writes a GIF, or an MP4 where ffmpeg is installed, by the ending of the name."""
        path = Path(path)
        writers: dict[str, Callable[[Movie, Path], None]] = {".gif": _write_gif, ".mp4": _write_mp4}
        if path.suffix not in writers:
            raise UsageError(f"{path.name}: expected a name that ends in {' or '.join(writers)}")
        writers[path.suffix](self, path)
        return path

    def _repr_html_(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            data = self.save(Path(folder) / "movie.gif").read_bytes()
        return f'<img alt="moving picture" src="data:image/gif;base64,{base64.b64encode(data).decode()}">'


def _canvas(ax: Axes) -> Any:
    """One that draws into memory, whatever shows the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure.canvas if type(figure.canvas) is FigureCanvasAgg else FigureCanvasAgg(figure)


def _write_gif(movie: Movie, path: Path) -> None:
    from PIL import Image

    frames = list(movie.frames())
    some = np.concatenate(frames[:: -(-len(frames) // _SAMPLED)])
    palette = Image.fromarray(some).quantize(256, method=Image.Quantize.FASTOCTREE)  # keeps the colours of small things
    first, *others = [Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    milliseconds = 1000 // movie.frames_per_second
    first.save(path, save_all=True, append_images=others, duration=milliseconds, loop=0)


def _write_mp4(movie: Movie, path: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        raise UsageError(f"{path.name}: MP4 needs ffmpeg, which is not installed; install it, or save a .gif")
    frames = list(movie.frames())
    height, width, _ = frames[0].shape
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2"  # what the encoder asks for
    command = [
        program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r",
        str(movie.frames_per_second), "-i", "-", "-vf", even, "-pix_fmt", "yuv420p", str(path),
    ]  # fmt: skip
    done = subprocess.run(command, input=b"".join(f.tobytes() for f in frames), capture_output=True, check=False)
    if done.returncode != 0:
        raise UsageError(f"{path.name}: ffmpeg failed: {done.stderr.decode(errors='replace').strip()}")
