"""Tokenizers in both forms, and their refusals."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wse_sim.errors import CheckpointError, UsageError
from wse_sim.mapping.model import load_checkpoint, load_shipped, load_text
from wse_sim.mapping.model.checkpoint import SHIPPED


@pytest.fixture(scope="module")
def shipped():
    return load_shipped().text


@pytest.fixture
def pair(tmp_path):
    """The shipped tokenizer as the two files of old checkpoints."""
    model = json.loads((SHIPPED / "tokenizer.json").read_text())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    return tmp_path


def test_there_and_back(shipped):
    ids = shipped.encode("Alice was beginning to get very tired")
    assert all(0 <= token < shipped.vocab_size for token in ids)
    assert shipped.decode(ids) == "Alice was beginning to get very tired"
    assert len(ids) < 20
    assert shipped.encode("") == []
    assert shipped.decode([]) == ""


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_is_lost(text):
    shipped = load_text(SHIPPED)
    if "<|endoftext|>" not in text:
        assert shipped.decode(shipped.encode(text)) == text


def test_both_forms_agree(shipped, pair):
    other = load_text(pair)
    assert other.vocab_size == shipped.vocab_size
    for text in (
        "Alice thought, 'and what is the use of a book?'",
        "  two  spaces\n\nnew",
        "é ü 漢字 <|endoftext|> end",
    ):
        assert other.encode(text) == shipped.encode(text)
        assert other.decode(other.encode(text)) == shipped.decode(shipped.encode(text))


def test_end_of_text_is_one_token(shipped):
    assert len(shipped.encode("<|endoftext|>")) == 1


def test_ids_out_of_vocabulary(shipped):
    with pytest.raises(UsageError, match=r"token id 509 at place 1 is out of the vocabulary: expected 0 to 508; try"):
        shipped.decode([1, 509])
    with pytest.raises(UsageError, match=r"token id -1 at place 0 is out of the vocabulary"):
        shipped.decode([-1])
    small = load_text(SHIPPED, vocab_size=10)
    with pytest.raises(UsageError, match=r"token id \d+ at place 0 is out of the vocabulary: expected 0 to 9"):
        small.encode("Alice")


def test_no_tokenizer(tmp_path):
    message = r"no tokenizer: expected tokenizer\.json, or vocab\.json with merges\.txt; try downloading"
    with pytest.raises(CheckpointError, match=message):
        load_text(tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(CheckpointError, match=message):
        load_text(tmp_path)


def test_broken_tokenizer(tmp_path, pair):
    (pair / "vocab.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"vocab\.json and merges\.txt: not a BPE \(.*\); try"):
        load_text(pair)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: not a tokenizer \(.*\); try downloading it again"):
        load_text(tmp_path)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(CheckpointError, match="needs tokenizers: try pip install tokenizers"):
        load_text(SHIPPED)
    assert load_checkpoint(SHIPPED).text is None
