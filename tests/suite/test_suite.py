"""A suite file either becomes real parts, or tells all its faults at once."""

from pathlib import Path

import pytest

from bench.errors import SuiteError
from bench.suite import suite_file
from tests.facts import missing

GOOD = """
suite: tiny
question: Which?
large: {use: random}
compact: {decoder_layers: 1}
tasks:
  own: {use: files, with: {train: data.csv, source: a, target: b}}
strategies:
  annotate: {use: annotate, with: {label_share: [0.5, 0.9], student: {learning_rate: [5e-4, 1e-3]}}}
  sft: {use: sft}
start_labels: 10
budgets_usd: [1, 2.5]
seeds: [1]
prices: {label_usd: 0.1}
"""


def read(tmp_path: Path, text: str) -> suite_file.Suite:
    path = tmp_path / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return suite_file.read(path)


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SuiteError) as caught:
        read(tmp_path, text)
    return [fault.removeprefix(f"{tmp_path}/tiny.yaml:") for fault in caught.value.faults]


def has_faults(found: list[str], *expected: tuple[object, ...]) -> None:
    """Check that each fault, in this order, begins with its `line: path` and holds its facts."""
    assert [": ".join(fault.split(": ", 2)[:2]) for fault in found] == [place for place, *_ in expected]
    assert [missing(fault.split(": ", 2)[2], *facts) for fault, (_, *facts) in zip(found, expected, strict=True)] == [[]] * len(expected)


def test_a_list_under_with_is_a_grid_also_in_nested_settings(tmp_path: Path) -> None:
    cells = read(tmp_path, GOOD).cells
    assert [(c.label, c.setting) for c in cells] == [
        ("annotate", "label_share=0.5, student.learning_rate=0.0005"),
        ("annotate", "label_share=0.5, student.learning_rate=0.001"),
        ("annotate", "label_share=0.9, student.learning_rate=0.0005"),
        ("annotate", "label_share=0.9, student.learning_rate=0.001"),
        ("sft", ""),
    ]
    assert cells[1].strategy.model_dump()["student"]["learning_rate"] == 0.001


def test_a_suite_can_ask_for_adapters_8_bits_and_checkpointing_and_compare_ranks(tmp_path: Path) -> None:
    student = "student: {lora: {rank: [4, 8]}, optimizer: adamw_8bit, checkpointing: true}"
    cells = read(tmp_path, GOOD.replace("student: {learning_rate: [5e-4, 1e-3]}", student).replace("[0.5, 0.9]", "0.5")).cells
    assert [cell.setting for cell in cells] == ["student.lora.rank=4", "student.lora.rank=8", ""]
    tuning = cells[1].strategy.model_dump()["student"]
    assert (tuning["lora"]["rank"], tuning["optimizer"], tuning["checkpointing"]) == (8, "adamw_8bit", True)


def test_adapters_with_nothing_frozen_are_a_fault_of_the_suite(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, GOOD.replace("student: {learning_rate: [5e-4, 1e-3]}", "student: {lora: {rank: 8}, freeze: none}"))
    assert fault.startswith("9: strategies.annotate.with.student: ")
    assert missing(fault, "lora", "freeze") == []


def test_every_fault_is_named_at_once_with_line_path_and_nearest_name(tmp_path: Path) -> None:
    text = (
        GOOD.replace("use: random", "use: randon")
        .replace("label_share: [0.5, 0.9]", "lable_share: 0.5")
        .replace("seeds: [1]", "seeds: [1, 1]\nseed: 3")
        .replace("start_labels: 10", "start_labels: -1")
        .replace("label_usd: 0.1", "label_usd: .nan")
    )
    has_faults(
        faults(tmp_path, text),
        ("4: large.use", "'randon'", "models/", "'random'"),
        ("9: strategies.annotate.with.lable_share", "'label_share'"),
        ("11: start_labels", 0, -1),
        ("13: seeds", "twice", "[1, 1]"),
        ("14: seed", "'seeds'"),
        ("15: prices.label_usd", "finite", "NaN"),
    )


def test_a_fault_in_one_value_of_a_grid_names_its_line(tmp_path: Path) -> None:
    text = GOOD.replace("[0.5, 0.9]", "[0.5,\n    1.5]")
    has_faults(faults(tmp_path, text), ("10: strategies.annotate.with.label_share", 1, 1.5))


def test_a_key_written_twice_is_a_fault(tmp_path: Path) -> None:
    has_faults(faults(tmp_path, GOOD + "start_labels: 20\n"), ("15: start_labels", "twice", "line 11"))


@pytest.mark.parametrize("budget", ["0", "-5", "1.0e+13", ".nan", ".inf", "'ten'", "true"])
def test_a_budget_is_a_positive_number_of_dollars(tmp_path: Path, budget: str) -> None:
    (fault,) = faults(tmp_path, GOOD.replace("[1, 2.5]", f"[1, {budget}]"))
    assert fault.startswith("12: budgets_usd[1]: expected")


@pytest.mark.parametrize(
    "price", ["label_usd: 1.0e+10", "label_usd: 1, device_hour_usd: 1.0e+300", "label_usd: 1, device_flops_per_second: 1.0e-300"]
)
def test_prices_stay_in_the_range_of_numbers(tmp_path: Path, price: str) -> None:
    (fault,) = faults(tmp_path, GOOD.replace("label_usd: 0.1", price))
    assert price.rsplit(" ", 2)[-2].removesuffix(":") in fault


def test_yaml_follows_the_core_schema(tmp_path: Path) -> None:
    text = GOOD.replace("question: Which?", "question: no").replace("a, target: b", "2024-01-01, target: off")
    found = read(tmp_path, text)
    assert found.spec.question == "no"
    assert found.tasks["own"].model_dump()["source"] == "2024-01-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "suite: missing"),
        ("[1, 2]", "suite: expected"),
        ("a: [1", "not YAML"),
        ("a: !!python/object:os.system x", "not YAML"),
        ("x: &a [*a]", "alias holds itself"),
        ("~", "holds nothing"),
        ("suite: \x07", "not YAML"),
        ("seeds: [!!int foo]", "int: 'foo'"),
        ("suite: !!timestamp 2024-01-01", "tag:yaml.org,2002:timestamp"),
        ("tasks: [names]", "tasks: expected"),
        ("strategies: {a: 3}", "strategies.a: expected"),
    ],
)
def test_what_is_no_suite_is_refused_in_plain_words(tmp_path: Path, text: str, expected: str) -> None:
    assert any(expected in fault for fault in faults(tmp_path, text))


def test_a_few_aliases_cannot_spell_billions_of_values(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    (fault,) = faults(tmp_path, bomb)
    assert "more than 100,000 values" in fault


def test_numbers_with_leading_zeros_are_decimal(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD.replace("seeds: [1]", "seeds: [010, 08]")).spec.seeds == (10, 8)


def test_settings_are_written_under_with_and_nowhere_else(tmp_path: Path) -> None:
    found = faults(tmp_path, GOOD.replace("sft: {use: sft}", "sft: {use: sft, settings: {label_share: 0.3}}"))
    has_faults(found, ("10: strategies.sft.settings", "use, with"))


def test_a_grid_that_repeats_itself_is_a_fault(tmp_path: Path) -> None:
    found = faults(tmp_path, GOOD.replace("[0.5, 0.9]", "[0.5, 0.50]").replace("[5e-4, 1e-3]", "1e-3"))
    has_faults(found, ("9: strategies.annotate.with", "twice", "label_share=0.5"))


def test_the_leaderboard_is_ranked_by_a_score_that_some_metric_gives(tmp_path: Path) -> None:
    has_faults(faults(tmp_path, GOOD + "rank_by: rogue2\n"), ("15: rank_by", "'rogue2'", "'rouge2'"))
    has_faults(faults(tmp_path, GOOD + "metrics: {exact: {use: exact_match}}\n"), ("2: rank_by", "'rouge2'", "exact_match"))


def test_a_score_of_which_neither_direction_is_better_cannot_rank(tmp_path: Path) -> None:
    has_faults(
        faults(tmp_path, GOOD + "rank_by: self_bleu\nmetrics: {p: {use: bert_ibleu}}\n"), ("15: rank_by", "'self_bleu'", "bert_score")
    )
    own = "metrics: {own: {use: evaluate, with: {path: ./length, direction: none}}}\n"
    has_faults(faults(tmp_path, GOOD + "rank_by: length\n" + own), ("15: rank_by", "'length'"))


def test_two_metrics_cannot_give_a_score_of_one_name(tmp_path: Path) -> None:
    text = GOOD + "metrics:\n  one: {use: rouge}\n  two: {use: rouge, with: {stemmer: false}}\n"
    assert any(fault.startswith("17: metrics.two: ") and not missing(fault, "'rouge2'", "'one'") for fault in faults(tmp_path, text))


def test_paying_by_energy_needs_a_price(tmp_path: Path) -> None:
    text = GOOD.replace("label_usd: 0.1", "label_usd: 0.1, meter: energy")
    has_faults(faults(tmp_path, text), ("14: prices.kwh_usd", "energy", "kWh", 0))


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path, expected in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(SuiteError, match=expected):
            suite_file.read(path)
    (tmp_path / "latin.yaml").write_bytes(b"question: \xe9")
    with pytest.raises(SuiteError, match="not UTF-8"):
        suite_file.read(tmp_path / "latin.yaml")


def test_paying_by_energy_needs_its_profiler(tmp_path: Path) -> None:
    text = GOOD.replace("label_usd: 0.1", "label_usd: 0.1, meter: energy, kwh_usd: 0.3") + "profilers: {wall: {use: wall}}\n"
    has_faults(faults(tmp_path, text), ("14: prices.meter", "'energy'", "profilers"))


@pytest.mark.parametrize("path", sorted(Path("suites").rglob("*.yaml")), ids=str)
def test_every_suite_we_ship_is_right(path: Path) -> None:
    assert suite_file.read(path).cells


NAMED = GOOD.replace("compact: {decoder_layers: 1}", "compact: {model: small}\nmodels: {small: {use: random}}")


def test_a_model_is_named_under_models_and_used_by_its_label(tmp_path: Path) -> None:
    found = read(tmp_path, NAMED)
    assert found.spec.compact.model == "small"
    assert found.models["small"].title.startswith("random t5")
    has_faults(faults(tmp_path, NAMED.replace("model: small", "model: smal")), ("5: compact.model", "models", "'smal'", "'small'"))
    found_faults = faults(tmp_path, NAMED.replace("use: random}}", "use: randon}}"))
    assert any(one.startswith("6: models.small.use: ") and not missing(one, "'randon'", "models/", "'random'") for one in found_faults)


def test_a_strategy_may_have_a_compact_model_of_its_own_also_as_a_grid(tmp_path: Path) -> None:
    cells = read(tmp_path, GOOD.replace("sft: {use: sft}", "sft: {use: sft, with: {compact: {decoder_layers: [1, 2]}}}")).cells
    assert [(c.setting, c.strategy.compact and c.strategy.compact.decoder_layers) for c in cells[-2:]] == [
        ("compact.decoder_layers=1", 1),
        ("compact.decoder_layers=2", 2),
    ]
    found = faults(tmp_path, GOOD.replace("sft: {use: sft}", "sft: {use: sft, with: {compact: {model: none}}}"))
    has_faults(found, ("10: strategies.sft.with.compact.model", "models", "'none'", "there are: none"))


def test_the_layers_of_a_compact_model_are_a_number_or_a_list(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD.replace("decoder_layers: 1", "decoder_layers: [0, 0, 3]")).spec.compact.decoder_layers == (0, 0, 3)
    assert faults(tmp_path, GOOD.replace("decoder_layers: 1", "decoder_layers: []"))[0].startswith("5: compact.decoder_layers")


def test_the_unlabelled_pool_keeps_its_name(tmp_path: Path) -> None:
    has_faults(faults(tmp_path, GOOD + "texts: {pool: {use: docstrings}}\n"), ("15: texts.pool", "pool", "choose another"))


def test_paying_by_items_needs_a_price_for_every_task(tmp_path: Path) -> None:
    text = GOOD.replace("label_usd: 0.1", "label_usd: 0.1, meter: items")
    has_faults(faults(tmp_path, text), ("14: prices.usd_per_1k_items", "items", "own"))
    other = text.replace("meter: items", "meter: items, usd_per_1k_items: {own: {teacher_tuning: 5}, owm: {}}")
    has_faults(faults(tmp_path, other), ("14: prices.usd_per_1k_items.owm", "'owm'", "'own'"))
