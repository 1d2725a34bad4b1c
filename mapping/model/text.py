"""Text to token ids and back, with the tokenizer of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from wse_sim.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WHOLE, _VOCAB, _MERGES = "tokenizer.json", "vocab.json", "merges.txt"
_END = "<|endoftext|>"


@dataclass(frozen=True)
class Text:
    """A tokenizer and the number of ids its model knows.

    vocab_size  ids the model has; the tokenizer may use fewer
    """

    vocab_size: int
    tokenizer: Tokenizer = field(repr=False)

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; UsageError if it is no valid text, or the model has no such id."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"the text is not valid at character {error.start}: expected UTF-8") from None
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        self._check(ids)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, special tokens left out; UsageError if an id is out of the vocabulary."""
        whole = [int(token) for token in ids]
        self._check(whole)
        decoded: str = self.tokenizer.decode(whole)
        return decoded

    def _check(self, ids: list[int]) -> None:
        for place, token in enumerate(ids):
            if not 0 <= token < self.vocab_size:
                raise UsageError(
                    f"token id {token} at place {place} is out of the vocabulary: "
                    f"expected 0 to {self.vocab_size - 1}; try the tokenizer that belongs to the model"
                )


def has_tokenizer(folder: Path) -> bool:
    """Whether `load_text` has what it needs: the files, and the `tokenizers` library."""
    files = (folder / _WHOLE).is_file() or ((folder / _VOCAB).is_file() and (folder / _MERGES).is_file())
    return files and find_spec("tokenizers") is not None


def load_text(folder: str | Path, *, vocab_size: int | None = None) -> Text:
    """The tokenizer of a folder: tokenizer.json, or vocab.json with merges.txt.

    vocab_size  ids the model has; by default as many as the tokenizer
    errors      CheckpointError when there is none, it is broken, or `tokenizers` is not installed
    """
    path = Path(folder).expanduser()
    if find_spec("tokenizers") is None:
        raise CheckpointError(f"{path}: reading its tokenizer needs tokenizers: try pip install tokenizers")
    whole, vocab, merges = path / _WHOLE, path / _VOCAB, path / _MERGES
    if whole.is_file():
        tokenizer = _read_whole(whole)
    elif vocab.is_file() and merges.is_file():
        tokenizer = _read_pair(vocab, merges)
    else:
        raise CheckpointError(
            f"{path}: no tokenizer: expected {_WHOLE}, or {_VOCAB} with {_MERGES}; try downloading the folder again"
        )
    return Text(vocab_size or tokenizer.get_vocab_size(), tokenizer)


def _read_whole(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception
        raise CheckpointError(f"{path}: not a tokenizer ({error}); try downloading it again") from error


def _read_pair(vocab: Path, merges: Path) -> Tokenizer:
    """The byte-level BPE of GPT-2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    try:
        tokenizer = Tokenizer(models.BPE.from_file(str(vocab), str(merges)))
    except Exception as error:  # tokenizers raises plain Exception
        raise CheckpointError(f"{vocab} and {merges.name}: not a BPE ({error}); try downloading them again") from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if tokenizer.token_to_id(_END) is not None:
        tokenizer.add_special_tokens([_END])
    return tokenizer
