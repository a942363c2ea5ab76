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
