"""`Layout`: how the tensors of a GPT are dealt to the PEs of a rectangle."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.errors import FitError, UsageError
from wse_sim.hardware import DType, Wafer, f16, f32
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.transformer.gelu import Form
from wse_sim.mapping.model import GPTConfig


@dataclass(frozen=True)
class Layout:
    """Where each tensor of a GPT lies on width x height PEs of a wafer, for decoding one token at a time.

    hidden     features split along y, the same along x
    residual   of prompts at once: tokens in turn along y, features split along x
    qkv        features split along x, the same along y; so are the inner features of the MLP
    vocabulary tokens of the tied embedding along x, its features along y; positions likewise
    context    tokens that the KV cache holds; token t lives on row t mod height
    sequences  how many have a cache of their own; of streamed weights with prompts at once they are taken together
    batch      sequences that a step works on together, each with a cache of its own
    prompt     tokens of a prompt that are taken at once, at most; 0: one after the other
    candidates tokens among which the next one is drawn; 0: always the likeliest
    tight      no gaps between tensors, and a bias as one more row of its matrix: takes less room and more cycles
    shards     stretches of columns, each with its own heads and inner features
    layers     blocks that lie here; None: all
    embedding  whether the token and position tables lie here
    head       whether the last norm and the output head do
    streamed   the matrices of the layers come from the host, a layer at a time, while the one before is worked on
    dtype      of weights, cache and activations, f32 or f16
    accumulate type in which products are added up, in a PE and on the fabric: f32, or f16 where dtype is f16
    """

    config: GPTConfig
    wafer: Wafer
    width: int
    height: int
    dtype: DType = f32
    accumulate: DType = f32
    context: int = 0
    sequences: int = 1
    batch: int = 1
    prompt: int = 0
    candidates: int = 0
    tight: bool = False
    shards: int = 1
    layers: range | None = None
    embedding: bool = True
    head: bool = True
    streamed: bool = False

    def __post_init__(self) -> None:
        if self.context == 0:
            object.__setattr__(self, "context", self.config.n_positions)
        if self.dtype not in (f16, f32) or self.accumulate not in (f32, self.dtype):
            raise UsageError(
                f"dtype {self.dtype} with accumulate {self.accumulate}: expected f32 with f32, or f16 with f16 or f32; "
                "the machine has no other multiply-add"
            )
        if self.batch < 1:
            raise UsageError(f"a batch of {self.batch} sequences: expected 1 or more")
        if self.sequences < 1:
            raise UsageError(f"caches for {self.sequences} sequences: expected 1 or more")
        if not 0 <= self.candidates <= self.config.vocab_size:
            raise UsageError(
                f"{self.candidates} candidates for the next token: {self.config.name} has {self.config.vocab_size} "
                "tokens; expected no more; give a smaller --top-k"
            )
        layers = self.layers
        if layers and not (layers.step == 1 and layers.start >= 0 and layers.stop <= self.config.n_layer):
            raise UsageError(f"{layers} of {self.config.name}: expected some of its {self.config.n_layer} layers")
        if not 1 <= self.context <= self.config.n_positions:
            raise UsageError(
                f"context {self.context}: {self.config.name} has {self.config.n_positions} positions; "
                f"expected 1 to {self.config.n_positions}"
            )
        if not 0 <= self.prompt <= self.context:
            raise UsageError(
                f"prompts of {self.prompt} tokens at once: expected 0 to {self.context}, the tokens of the context"
            )
        if self.prompt and (self.tight or self.batch > 1):
            raise UsageError(
                "prompts at once in a tight layout or for a batch: expected gaps between tensors, and one sequence a "
                "step; give prompt=0"
            )
        if self.streamed and (self.tight or self.shards > 1):
            raise UsageError("streamed weights in a tight layout or in shards: expected a plain layout")
        if not self.wafer.holds(self.width, self.height) or min(self.width, self.height) < 1:
            raise FitError(
                f"grid {self.width}x{self.height} on {self.wafer.name}, which has {self.wafer.width}x"
                f"{self.wafer.height} usable PEs; expected 1x1 to that; give a smaller --grid"
            )
        sizes = {"heads": self.config.n_head, "inner features": self.config.n_inner, "columns": self.width}
        for what, size in sizes.items():
            if self.shards < 1 or size % self.shards:
                raise UsageError(f"{self.shards} shards of {size} {what}: expected a number that divides it evenly")

        if self.tight and not self.spare:
            raise FitError(
                f"a tight layout on {self.width}x{self.height} PEs: expected pads in each of {self.hidden}, "
                f"{self.features} and {self.inner}, and one shard; try another --grid"
            )

    @property
    def spare(self) -> bool:
        """Whether the input of every matrix has a pad, so that the matrix has room for one more row."""
        inputs = (self.hidden, self.features, self.inner)
        return self.shards == 1 and all(blocks.parts * blocks.size > blocks.total for blocks in inputs)

    @property
    def whole(self) -> bool:
        """Whether all of the model lies here."""
        return self.embedding and self.head and len(self.held) == self.config.n_layer

    @property
    def held(self) -> range:
        """The blocks that lie here."""
        return range(self.config.n_layer) if self.layers is None else self.layers

    # -- how things are dealt ---------------------------------------------------------------------

    @property
    def hidden(self) -> Blocks:
        """Features along y."""
        return Blocks(self.config.n_embd, self.height)

    @property
    def features(self) -> Blocks:
        """Features of q, k, v and of the attention's output along x."""
        return Blocks(self.config.n_embd, self.width, self.shards)

    @property
    def residual(self) -> Blocks:
        """Features of the residual stream along x, through all shards."""
        return Blocks(self.config.n_embd, self.width)

    @property
    def inner(self) -> Blocks:
        """Inner features of the MLP along x."""
        return Blocks(self.config.n_inner, self.width, self.shards)

    @property
    def vocabulary(self) -> Blocks:
        """Tokens along x."""
        return Blocks(self.config.vocab_size, self.width)

    @property
    def positions(self) -> Blocks:
        """Rows of the position table along x."""
        return Blocks(self.context, self.width)

    @property
    def gelu(self) -> Form:
        """Form of the activation function."""
        return "erf" if self.config.activation == "gelu" else "tanh"

    @property
    def line_words(self) -> tuple[int, int]:
        """Wavelets of the vectors that lines along x and along y are planned for."""
        return wavelets(self.hidden.size, self.accumulate), wavelets(self.features.size, self.accumulate)

    def line_queues(self, *, spare: bool) -> tuple[int, int]:
        """Colours that a PE may receive from its lines along x and along y, out of its eight.

        spare  whether a queue is left for hand-overs; lines within shards take two
        """
        if self.shards > 1:
            return (3, 2) if spare else (3, 3)
        return (3, 4) if spare else (4, 4)

    @property
    def cache_slots(self) -> int:
        """Tokens that a PE row keeps."""
        return -(-self.context // self.height)

    def describe(self) -> str:
        """Where everything lies, in words."""
        c = self.config
        return "\n".join(
            (
                f"{c.name} on {self.width} x {self.height} PEs of {self.wafer.name}, {self.dtype.name} with sums in "
                f"{self.accumulate.name}",
                f"hidden state     {c.n_embd} features, {self.hidden.size} a row of PEs",
                f"q, k, v          {c.n_embd} features, {self.features.size} a column; {c.n_head} heads",
                f"MLP              {c.n_inner} inner features, {self.inner.size} a column",
                f"embedding        {c.vocab_size} tokens, {self.vocabulary.size} a column",
                f"KV cache         {self.context} tokens, {self.cache_slots} a row",
            )
        )
