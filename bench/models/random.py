"""A tiny untrained model, made when it is first needed: for tests, and for trying out a suite."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Checkpoint
from bench.models import _tokenizers
from bench.system.files import build_once
from bench.training.shapes import VERSION, Family, Shape, build

TEXT = """
Return the number of bytes that were read from the file, or zero at the end of the stream. Raise an error when the value
is not found in the list. The function takes a name and an optional default, and gives back the first object that matches
the pattern. Create a new instance of this class from the given keyword arguments. If the path does not exist, the folder
and all its parents are made. Compute the mean and the standard deviation of each column in the table. Set the flag to
true where every element of the array is larger than the limit. This method is called once before the loop starts, and
again after the last step. Convert a string to an integer, with leading and trailing spaces removed. Write the model and
its configuration to disk, so that it can be loaded later without the network. Test whether two graphs have the same
nodes and edges. Open a connection to the server and wait for a response, at most as many seconds as the timeout says.
"""
"""The text on which the tokenizer is trained. It can encode any text, byte by byte where necessary."""


class Random(Checkpoint):
    """A model of a real architecture with random weights, and a byte-level BPE tokenizer of its own."""

    family: Family | Literal["llama"] = "t5"
    """Architecture. 't5' ties input and output embeddings. 't5_v1_1' (as Flan-T5) and 'mt5' do not, and have gated feed-forward layers.
    'bart' has learned positions. 'pegasus' has sinusoidal positions and starts its outputs from the padding token. 'llama' is decoder-only,
    has half as many key heads as query heads, and has no padding token."""
    encoder_layers: int = Field(default=4, ge=1)
    """Layers of the encoder. 'llama' has none."""
    decoder_layers: int = Field(default=4, ge=1)
    """Layers of the decoder."""
    width: int = Field(default=32, ge=8, multiple_of=8)
    """Size of a token's vector (d_model)."""
    feed_forward: int = Field(default=64, ge=8)
    """Size of the feed-forward layers."""
    heads: int = Field(default=2, ge=1, le=8)
    """Attention heads."""
    vocabulary: int = Field(default=512, ge=400, le=1024)
    """Largest number of tokens in the tokenizer: 256 bytes, the family's special tokens (103 for T5), and pieces of words."""
    seed: int = Field(default=0, ge=0)
    """Seed of the random weights."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads; change `width` or `heads`")
        return self

    @property
    def title(self) -> str:
        layers = self.decoder_layers if self.family == "llama" else f"{self.encoder_layers}+{self.decoder_layers}"
        return f"random {self.family} ({layers}, d {self.width})"

    def folder(self, cache: Path) -> Path:
        from bench.training.model_folder import check_folder

        decides = f"{VERSION} {self.model_dump_json()} {TEXT} {_tokenizers.key(self._vocabulary_of, self.vocabulary)}"
        name = f"random-{self.family}-{hashlib.sha256(decides.encode()).hexdigest()[:16]}"
        return check_folder(build_once(cache / "models" / name, self._make))

    @property
    def _vocabulary_of(self) -> Family:
        return "t5" if self.family == "llama" else self.family

    def _make(self, folder: Path) -> None:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        from bench.training.checkpoints import save

        tokenizer = _tokenizers.learnt(self._vocabulary_of, self.vocabulary, [TEXT])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            if self.family == "llama":
                tokenizer.backend_tokenizer.post_processor = None  # it would add an end token to each text
                tokenizer.pad_token = None
                config = LlamaConfig(
                    vocab_size=len(tokenizer),
                    hidden_size=self.width,
                    intermediate_size=self.feed_forward,
                    num_hidden_layers=self.decoder_layers,
                    num_attention_heads=self.heads,
                    num_key_value_heads=max(1, self.heads // 2),
                    max_position_embeddings=1024,
                    tie_word_embeddings=True,
                    bos_token_id=None,
                    eos_token_id=tokenizer.eos_token_id,
                )
                model = LlamaForCausalLM(config)
            else:
                stacks = {"el": self.encoder_layers, "dl": self.decoder_layers, "dm": self.width, "ff": self.feed_forward}
                shape = Shape(family=self.family, **stacks, kv=self.width // self.heads, nh=self.heads)
                model = build(shape, len(tokenizer))
        save(model, tokenizer, folder)
