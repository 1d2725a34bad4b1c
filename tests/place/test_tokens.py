"""Token ids as callers hand them in: lists, arrays; numbers that are none are refused wherever prompts come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from place.small_models import lively
from place.test_flight import ring
from place.test_prompts import apart

from wse_sim import WSE2
from wse_sim.errors import UsageError
from wse_sim.mapping.generation.batch_session import BatchSession, generate_batch
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.model.tokens import token_ids
from wse_sim.mapping.pipeline.flight import Flight
from wse_sim.mapping.prompts.serve import Serving
from wse_sim.mapping.region.layout import Layout

CONFIG = GPTConfig(name="two", n_layer=2, n_embd=8, n_head=2, n_positions=8, vocab_size=9)
WEIGHTS = lively(CONFIG, 1)
LAYOUT = Layout(config=CONFIG, wafer=WSE2, width=3, height=3)
WAYS: dict[str, Callable[[Any], object]] = {
    "token by token": lambda ids: generate(Session(LAYOUT, WEIGHTS), ids, 2).token_ids,
    "at once": lambda ids: generate(Session(replace(LAYOUT, prompt=4), WEIGHTS), ids, 2).token_ids,
    "in a batch": lambda ids: generate_batch(
        BatchSession(replace(LAYOUT, batch=2), WEIGHTS), [ids, ids], 2
    ).sequences[0].token_ids,
    "in flight": lambda ids: Flight(ring(CONFIG, [0, 2], side=3), WEIGHTS).generate([ids], 2).token_ids[0],
    "served": lambda ids: Serving(apart(CONFIG, 3, 3, 3), WEIGHTS).serve([ids], 2).token_ids[0],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_arrays_are_prompts_and_numbers_that_are_no_tokens_are_refused(way: str) -> None:
    assert WAYS[way](np.array([1, 2])) == WAYS[way]([1, 2])
    for ids, message in (
        ([1.5, 2], r"token ids \[1\.5, 2\]: expected whole numbers"),
        ("ab", "token ids ab: expected whole numbers"),
        ([1, 9], "token 9: expected 0 to 8"),
    ):
        with pytest.raises(UsageError, match=message):
            WAYS[way](ids)


def test_token_ids_are_plain() -> None:
    assert token_ids(CONFIG, np.array([3, 0], np.int64)) == [3, 0]
    assert {type(token) for token in token_ids(CONFIG, (np.int32(3), 4))} == {int}
    with pytest.raises(UsageError, match="the prompt is empty"):
        token_ids(CONFIG, np.array([], np.int64))
