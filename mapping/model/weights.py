"""The tensors of a GPT: their names, their shapes, and a read-only mapping that holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from wse_sim.mapping.model.gpt import GPTConfig

Array = NDArray[np.float32]


def tensor_shapes(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor by canonical name: the Hugging Face GPT-2 name without `transformer.`.

    Matrices are (in, out): a layer computes `x @ weight + bias`. `lm_head.weight` is there only when untied.
    """
    d, f = config.n_embd, config.n_inner
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (config.vocab_size, d),
        "wpe.weight": (config.n_positions, d),
    }
    block = {
        "ln_1.weight": (d,),
        "ln_1.bias": (d,),
        "attn.c_attn.weight": (d, 3 * d),
        "attn.c_attn.bias": (3 * d,),
        "attn.c_proj.weight": (d, d),
        "attn.c_proj.bias": (d,),
        "ln_2.weight": (d,),
        "ln_2.bias": (d,),
        "mlp.c_fc.weight": (d, f),
        "mlp.c_fc.bias": (f,),
        "mlp.c_proj.weight": (f, d),
        "mlp.c_proj.bias": (d,),
    }
    for layer in range(config.n_layer):
        shapes |= {f"h.{layer}.{name}": shape for name, shape in block.items()}
    shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
    if not config.tie_word_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, d)
    return shapes


class Tensors(Mapping[str, Array]):
    """A read-only mapping from canonical name to float32 array, each made on first use.

    lazy  make the array again at every use, for models larger than memory; otherwise keep it
    """

    def __init__(self, makers: Mapping[str, Callable[[], Array]], *, lazy: bool = False) -> None:
        self._makers = dict(makers)
        self._lazy = lazy
        self._kept: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name in self._kept:
            return self._kept[name]
        array = self._makers[name]()
        array.flags.writeable = False
        if not self._lazy:
            self._kept[name] = array
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __contains__(self, name: object) -> bool:
        return name in self._makers


def random_weights(config: GPTConfig, seed: int = 0, *, lazy: bool = False) -> Tensors:
    """GPT-2 initialisation: normal of deviation 0.02, over sqrt(2 n_layer) where a half-block ends.

    Each tensor depends on `seed` and its own name only, so the order of use does not matter.
    source  Radford et al. 2019, section 2.3
    """
    return Tensors(
        {name: _maker(config, name, shape, seed) for name, shape in tensor_shapes(config).items()}, lazy=lazy
    )


def _maker(config: GPTConfig, name: str, shape: tuple[int, ...], seed: int) -> Callable[[], Array]:
    def make() -> Array:
        if name.endswith(".bias"):
            return np.zeros(shape, np.float32)
        if ".ln_" in f".{name}":
            return np.ones(shape, np.float32)
        deviation = 0.02 / (2 * config.n_layer) ** 0.5 if name.endswith("c_proj.weight") else 0.02
        random = np.random.default_rng([seed, crc32(name.encode())])
        return random.standard_normal(shape, np.float32) * np.float32(deviation)

    return make
