"""What the settings of drawn suites are drawn from, and which are left out, and why.

A new setting is drawn by itself, from its type and its bounds. Where that is not possible, `test_valid_suites.py` asks for an entry here.
"""

from __future__ import annotations

from importlib.util import find_spec

from hypothesis import strategies as st
from pydantic import BaseModel

from bench import registry
from bench.contracts import Compact, Decoding, Task
from bench.data.tables import TableSettings
from bench.strategies.continue_pretraining import ContinuePretraining
from bench.strategies.llm_label import LlmLabel
from bench.suite.named_prices import KINDS
from bench.suite.prices import ItemPrices, Pays, PriceBook
from bench.suite.suite_file import SuiteText
from bench.tasks import files as file_tasks
from bench.tasks._capped import Capped
from bench.texts import files as file_texts
from bench.training.llm_endpoint import Endpoint
from bench.training.llm_prompt import Prompt, Sampling
from bench.training.llm_written import Written
from bench.training.settings import Distillation, Lora, Tuning
from tests.forecast.drawing import Drawn, Draws, Field

ANSWERS = ("words", "a class", "nothing", "too much")
"""Names of the fake endpoint's models, which say how each answers."""
MANY = 1000
"""More than there is of anything."""

PARTS_LEFT_OUT = {  # prose: reasons
    ("metrics", "bert_ibleu"): "it downloads a model",
    ("metrics", "evaluate"): "it loads code of the reader's own, and a plan does not score",
    ("metrics", "classification"): "its labels are classes, and a plan does not score",
    ("metrics", "entity_types"): "its labels are lists of entities, and a plan does not score",
    ("profilers", "flops"): "it counts a forward pass a second time, which takes long and costs nothing",
}
"""Metrics and profilers that no suite names, and why. Tasks, texts and models are other sources of the same: rows and folders."""

LEFT_OUT: dict[Field, str] = {
    (SuiteText, "suite"): "a name",
    (SuiteText, "question"): "a sentence for the reader",
    **{
        (SuiteText, name): "put together in `suites`"
        for name in ("large", "models", "texts", "tasks", "strategies", "metrics", "rank_by", "profilers", "start_labels", "prices")
    },
    (Task, "prefix"): "text before a document; documents of several lengths are drawn",
    (PriceBook, "usd_per_unit"): "for meters that bench does not have",
    **{(PriceBook, kind): "a name for prices that are drawn as numbers" for kind in KINDS},
    (PriceBook, "usd_per_1k_items"): "put together in `suites`, task by task",
    (Pays, "evaluation"): "it has one value",
    (Pays, "hyperparameter_search"): "it has one value",
    **{
        (file_tasks.Files, name): "the rows are made by the test; a plan sees no more of them than which are there"
        for name in ("train", "dev", "test", "source", "target", "id", "test_fraction", "dev_fraction")
    },
    **{(file_tasks.Files, f"{part}_field"): "where rows are in a JSON file" for part in ("train", "dev", "test")},
    **{(file_texts.Files, name): "the rows are made by the test" for name in ("path", "column", "target", "field")},
    (LlmLabel, "written"): "its labels are in a file that the test would have to write",
    (Written, "text"): "the name of such a file",
    **{(TableSettings, name): "how a file is read: plan and run see the rows alone" for name in TableSettings.model_fields},
    (Capped, "dev_examples"): "no arm reads dev",
    (Capped, "test_examples"): "the test file has three rows",
    (Endpoint, "base_url"): "the address of the fake endpoint",
    **{
        (Endpoint, name): "how long a request may take, and what says who asks: it has no part in what is bought"
        for name in ("timeout_s", "attempts", "requests_per_minute", "key_variable")
    },
}
"""Settings that no suite draws, and why."""

# What is drawn where a type does not say it, where a value only takes time, and where a training may end in no number: no plan tells that.
CTRANSLATE2 = {"use": "ctranslate2"}
ENGINES = [{"use": "torch"}, {"use": "torch", "with": {}}, *([CTRANSLATE2] * 2 if find_spec("ctranslate2") else [])]
RATES = st.sampled_from([0.0, 0.1, 0.9])
TEXT_WEIGHTS = st.dictionaries(st.sampled_from(["pool", "extra", "short"]), st.sampled_from([1.0, 0.25, 0.0]), min_size=1, max_size=2)
LAYERS = st.sampled_from([None, 1, [0], [0, 0]])
GIVEN: dict[Field, Drawn] = {
    (Task, "max_source_tokens"): st.sampled_from([4, 5, 12, 40]),
    (Task, "max_target_tokens"): st.sampled_from([2, 3, 6]),
    (Task, "label_usd"): st.sampled_from([None, 0.0, 0.07, 1.0]),
    (Capped, "train_examples"): st.sampled_from([None, 1, 3, MANY]),
    (Capped, "pool_examples"): st.sampled_from([None, 0, 1, 3, MANY]),
    (file_tasks.Files, "pool_fraction"): st.sampled_from([0.0, 0.3]),
    (SuiteText, "budgets_usd"): st.lists(
        st.one_of(st.sampled_from([1e-9, 0.01, 0.3, 1.0, 2.0, 4.0, 1e9]), st.floats(0.01, 4.0)),
        min_size=1,
        max_size=1,
    ),
    (SuiteText, "engine"): st.sampled_from(ENGINES),
    (SuiteText, "executor"): st.sampled_from([{"use": "local"}, {"use": "local", "with": {"workers": 1}}, {"use": "slurm"}]),
    (SuiteText, "seeds"): st.sampled_from([[0], [1], [2**31 - 1]]),
    (PriceBook, "label_usd"): st.sampled_from([0.2, 1 / 3, 0.5, 3.0, 1e-6, 0.0]),
    (PriceBook, "device_hour_usd"): st.sampled_from([36_000.0, 36_000.0, 36_000.0, 1.875, 0.0]),
    (PriceBook, "device_flops_per_second"): st.sampled_from([1e9, 1e8, 1e10, 1e14]),
    (PriceBook, "meter"): st.sampled_from(["flops", "wall", "energy", "items"]),
    (PriceBook, "kwh_usd"): st.sampled_from([0.1, 1e6]),
    (PriceBook, "usd_per_1m_prompt_tokens"): st.sampled_from([0.0, 3.0, 5000.0]),
    (PriceBook, "usd_per_1m_output_tokens"): st.sampled_from([0.0, 15.0, 20_000.0]),
    **{(ItemPrices, name): st.sampled_from([0.0, 1.0, 40.0]) for name in ItemPrices.model_fields},
    (Decoding, "beams"): st.sampled_from([1, 2, 3]),
    (Decoding, "length_penalty"): st.sampled_from([-1.0, 0.0, 2.0]),
    (Decoding, "batch_size"): st.sampled_from([1, 2, 3, MANY]),
    (Compact, "encoder_layers"): LAYERS,
    (Compact, "decoder_layers"): LAYERS,
    (Compact, "model"): st.sampled_from([None, "small"]),
    (Tuning, "epochs"): st.sampled_from([1, 2]),
    (Tuning, "min_steps"): st.sampled_from([0, 1, 7]),
    (Tuning, "batch_size"): st.sampled_from([1, 3, 8, MANY]),
    (Tuning, "micro_batch_size"): st.sampled_from([None, 1, 2, MANY]),
    (Tuning, "learning_rate"): st.sampled_from([1e-12, 1e-3, 1e-2]),
    (Tuning, "dropout"): st.one_of(st.none(), RATES),
    (Lora, "dropout"): RATES,
    (Distillation, "temperature"): st.sampled_from([0.5, 2.0, 20.0]),
    (ContinuePretraining, "general"): TEXT_WEIGHTS,
    (ContinuePretraining, "task_like"): TEXT_WEIGHTS,
    (ContinuePretraining, "tokens"): st.sampled_from([8, 32]),
    (LlmLabel, "teacher"): st.sampled_from([None, "llm"]),
    (Endpoint, "model"): st.sampled_from(ANSWERS),
    (Prompt, "system"): st.sampled_from(["", "Be brief."]),
    (Prompt, "instruction"): st.sampled_from(["{source}", "Say what stands there: {source} It is {target}"]),
    (Prompt, "answers"): st.sampled_from([[], ["cat", "dog"]]),
    (Prompt, "few_shot"): st.sampled_from([0, 1, 2]),
    (Sampling, "temperature"): st.sampled_from([None, 0.0, 0.5]),
    (Sampling, "max_output_tokens"): st.sampled_from([1, 4]),
    (Sampling, "seed"): st.sampled_from([None, 0, 7]),
}
DRAWS = Draws(GIVEN, LEFT_OUT)


def names_drawn(shelf: str) -> list[str]:
    """Names of the parts on a shelf that suites use."""
    return [name for name in registry.names(shelf) if (shelf, name) not in PARTS_LEFT_OUT]


def parts_drawn() -> list[type[BaseModel]]:
    """All classes whose settings are drawn. Profilers are drawn without any: what they measure costs nothing."""
    shelves = [registry.find(shelf, name) for shelf in ("strategies", "metrics") for name in names_drawn(shelf)]
    return [SuiteText, file_tasks.Files, file_texts.Files, *shelves]
