"""How many tokens a model reads follows from its family and config, in one place."""

import pytest
from transformers import BartConfig, LlamaConfig, MT5Config, PegasusConfig, Qwen2Config, T5Config

from bench.errors import CheckpointError
from bench.training.positions import check_positions, positions, source_positions

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "rope_theta": 1e6}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "original_max_position_embeddings": 8192,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "rope_theta": 5e5,
}


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (T5Config(n_positions=512), None),
        (MT5Config(max_position_embeddings=512), None),
        (BartConfig(max_position_embeddings=1024), 1024),
        (PegasusConfig(max_position_embeddings=512), 512),
        (LlamaConfig(max_position_embeddings=2048), 2048),
        (LlamaConfig(max_position_embeddings=131072, rope_parameters=LLAMA3), 131072),
        (Qwen2Config(max_position_embeddings=32768, rope_parameters=YARN), 131072),
    ],
)
def test_positions_are_those_of_the_family(config, limit):
    assert positions(config) == limit


@pytest.mark.parametrize(
    ("config", "source", "target", "fits"),
    [
        (BartConfig(max_position_embeddings=1024), 1024, 1024, True),
        (BartConfig(max_position_embeddings=1024), 1025, 64, False),
        (PegasusConfig(max_position_embeddings=512), 512, 513, False),
        (LlamaConfig(max_position_embeddings=2048), 2000, 48, True),
        (LlamaConfig(max_position_embeddings=2048), 2000, 49, False),
        (Qwen2Config(max_position_embeddings=2048), 1, 2048, False),
        (T5Config(n_positions=512), 100_000, 10_000, True),
    ],
)
def test_a_decoder_only_model_reads_document_and_label_together(config, source, target, fits):
    if fits:
        check_positions("model", config, source, target)
    else:
        with pytest.raises(CheckpointError, match=rf"^model: config\.json [^\n]*{source}[^\n]*{target}[^\n]*max_source_tokens[^\n]*$"):
            check_positions("model", config, source, target)
    room = source_positions(config, target)
    assert fits == (target <= (positions(config) or target) and (room is None or source <= room))
