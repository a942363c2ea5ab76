import string

import pytest

TOY = """
import datasets
import evaluate


class Toy(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="", features=datasets.Features({"predictions": text, "references": text})
        )

    def _compute(self, predictions, references, bonus=0.0, noise=0.0):
        import numpy
        same = [p == r for p, r in zip(predictions, references)]
        if not all(predictions):
            raise ValueError("an empty prediction,\\nwhich this metric cannot bear")
        return {
            "toy": 100.0 * sum(same) / len(same) + bonus + noise * numpy.random.rand(),
            "count": len(same),
            "each": same,
            "nothing": float("nan"),
        }
"""


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """Folder of a metric of `evaluate`: the share of equal pairs. Copies of scripts go to a folder of this session."""
    import evaluate

    folder = tmp_path_factory.mktemp("metrics") / "toy"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", tmp_path_factory.mktemp("modules"))
        patch.setattr("evaluate.loading.config.HF_MODULES_CACHE", evaluate.config.HF_MODULES_CACHE)
        yield str(folder)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """Folder of a BERT of three layers, whose weights are a formula: no random numbers, the same on every machine."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    pieces = [
        *string.ascii_lowercase,
        *(f"##{letter}" for letter in string.ascii_lowercase),
        *["the", "cat", "sat", "on", "mat", "a", "dog", "ran", "to", "house", ".", ","],
    ]
    vocabulary = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]))
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64}
    model = BertModel(BertConfig(vocab_size=len(vocabulary), **sizes))
    with torch.no_grad():
        for place, (name, weights) in enumerate(model.named_parameters(), start=1):
            wave = torch.sin(torch.arange(weights.numel(), dtype=torch.float64) * (1 + 0.37 * place)).view_as(weights)
            weights.copy_(1 + 0.1 * wave if name.endswith("LayerNorm.weight") else 0.5 * wave)
    model.save_pretrained(folder)
    return folder
