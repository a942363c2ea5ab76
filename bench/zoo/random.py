"""A tiny model that knows nothing, made on the spot: for tests, and to try a suite out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Checkpoint
from bench.once import made_once

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
"""What the tokenizer's merges are learnt from; any text can be written with them, byte by byte where need be."""

SPECIAL_TOKENS = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

Family = Literal["t5", "t5_v1_1", "bart", "pegasus"]


class Random(Checkpoint):
    """A random model of a real architecture, with a byte-level BPE tokenizer of its own."""

    family: Family = "t5"
    """'t5' ties input and output embeddings, 't5_v1_1' (as Flan-T5) does not and has gated feed-forward layers; 'bart' learns
    positions, 'pegasus' has sinusoidal ones and starts its outputs from the padding token."""
    encoder_layers: int = Field(default=4, ge=1)
    """Layers of the encoder."""
    decoder_layers: int = Field(default=4, ge=1)
    """Layers of the decoder."""
    width: int = Field(default=32, ge=8, multiple_of=8)
    """Size of a token's vector (d_model)."""
    feed_forward: int = Field(default=64, ge=8)
    """Size of the feed-forward layers."""
    heads: int = Field(default=2, ge=1, le=8)
    """Attention heads."""
    vocabulary: int = Field(default=512, ge=300, le=1024)
    """Tokens that the tokenizer learns at most."""
    seed: int = Field(default=0, ge=0)
    """Of the weights."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads")
        return self

    @property
    def title(self) -> str:
        return f"random {self.family} ({self.encoder_layers}+{self.decoder_layers}, d {self.width})"

    def folder(self, cache: Path) -> Path:
        from bench.training.models import check_folder

        settings = hashlib.sha256((self.model_dump_json() + TEXT).encode()).hexdigest()[:16]
        return check_folder(made_once(cache / "zoo" / f"random-{self.family}-{settings}", self._make))

    def _make(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForSeq2SeqLM

        from bench.training.models import save, untie

        tokenizer = _tokenizer(self.family, self.vocabulary)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = AutoModelForSeq2SeqLM.from_config(self._config(tokenizer))
            if self.family == "t5_v1_1":
                untie(model)
        save(model, tokenizer, folder)

    def _config(self, tokenizer: Any) -> Any:
        from transformers import BartConfig, PegasusConfig, T5Config

        ids = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
        if self.family in ("t5", "t5_v1_1"):
            gated = self.family == "t5_v1_1"
            return T5Config(
                d_model=self.width,
                d_kv=self.width // self.heads,
                d_ff=self.feed_forward,
                num_layers=self.encoder_layers,
                num_decoder_layers=self.decoder_layers,
                num_heads=self.heads,
                feed_forward_proj="gated-gelu" if gated else "relu",
                decoder_start_token_id=tokenizer.pad_token_id,
                tie_word_embeddings=not gated,
                **ids,
            )
        shape = {
            "max_position_embeddings": 512,
            "d_model": self.width,
            "encoder_layers": self.encoder_layers,
            "decoder_layers": self.decoder_layers,
            "encoder_ffn_dim": self.feed_forward,
            "decoder_ffn_dim": self.feed_forward,
            "encoder_attention_heads": self.heads,
            "decoder_attention_heads": self.heads,
        }
        if self.family == "pegasus":
            return PegasusConfig(
                **shape,
                **ids,
                decoder_start_token_id=tokenizer.pad_token_id,
                forced_eos_token_id=tokenizer.eos_token_id,
                scale_embedding=True,
            )
        return BartConfig(**shape, **ids, bos_token_id=tokenizer.bos_token_id, decoder_start_token_id=tokenizer.eos_token_id)


def _tokenizer(family: Family, vocabulary: int) -> Any:
    """Byte-level BPE. As in the real families, BART puts <s> before a text, and all of them </s> behind it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"] if family == "bart" else ["<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    pattern = "<s> $A </s>" if family == "bart" else "$A </s>"
    tokenizer.post_processor = processors.TemplateProcessing(single=pattern, special_tokens=[(t, special.index(t)) for t in special[:3]])
    begin = {"bos_token": "<s>"} if family == "bart" else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL_TOKENS, **begin)
