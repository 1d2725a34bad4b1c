"""GPT models, knowing nothing of any machine: sizes, checkpoints, text, and the numbers they compute."""

from wse_sim.mapping.model.checkpoint import Checkpoint, load_checkpoint, load_shipped, random_checkpoint
from wse_sim.mapping.model.gpt import PRESETS, GPTConfig, ParameterCount, preset
from wse_sim.mapping.model.reference import greedy, logits, residuals
from wse_sim.mapping.model.text import Text, load_text
from wse_sim.mapping.model.weights import Tensors, random_weights, tensor_shapes

__all__ = [
    "PRESETS",
    "Checkpoint",
    "GPTConfig",
    "ParameterCount",
    "Tensors",
    "Text",
    "greedy",
    "load_checkpoint",
    "load_shipped",
    "load_text",
    "logits",
    "preset",
    "random_checkpoint",
    "random_weights",
    "residuals",
    "tensor_shapes",
]
