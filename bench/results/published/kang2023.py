"""Kang, Xu, Ritter 2023, Distill or Annotate?: 48 cells, each with annotation and distillation for the same added dollars.

A task is a data set together with the number of labels owned, because budgets and the cost of tuning the teacher depend on both. The paper
prints scores and the prices of a label and of a GPU-hour. Compute costs per item are derived (`bench/published/README.md`). Counts are
derived too: dollars divided by a price, as `bench plan` of suites/papers/kang2023-*.yaml would buy. Compute is counted twice: by the item,
which is paid, and in GPU-seconds at their price. The figures can therefore be recomputed at another price of a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median_low

from bench.contracts import ITEMS, WALL, Bill, Charge, Fact, Phase
from bench.execution.ledger import LIMITED
from bench.execution.purse import Purse
from bench.published import rows
from bench.results.published._write import EQUALS_CLASS_SHARE, Cell, Work
from bench.suite.prices import ItemPrices, Pays, PriceBook

SOURCE = "Kang, Xu, Ritter 2023, Distill or Annotate? (ACL 2023, arXiv 2305.01645): the figures printed on the authors' poster"

TOLD = (
    "Printed: every score, the dollars added, the prices of a label and of a GPU-hour (an A100 on a public cloud).",
    "Derived, not printed: what it costs to tune the teacher and to distill (least squares on a digitised figure, and about 2.70 dollars"
    " for every teacher), and so how the dollars of a cell divide; labels bought and documents distilled (dollars divided by a price);"
    " seconds (dollars divided by the price of a GPU-hour). With them 90 published totals come out within 3 %.",
    "Computed from published configurations: parameters.",
    "The metric is another one for each task (see Data); here all of them are called score. Tasks are not compared with each other.",
    "How many runs a figure is the mean of is not known here: each stands as one, without an interval.",
)

METRIC, STUDENT, TEACHER = "score", ("t5-v1.1", "small"), ("t5-v1.1", "xxl")

Classes = Mapping[str, float]
"""Class -> score, in points, of a model that always predicts it."""


def work() -> Work:
    """Return the published work: 12 tasks x 4 budgets x 2 strategies."""
    cells, book = rows("kang2023_cells"), _book()
    labels = {_task(row): float(row["usd_per_label"]) for row in cells}
    return Work(
        source=SOURCE,
        told=TOLD,
        suite={
            "question": "N labels are owned, B dollars are added: more labels for T5-Small, or T5-XXL and its distillation into it?",
            "primary_metric": METRIC,
            "seeds": [0],
            "meter": book.meter,
            "prices": book.model_dump(mode="json", exclude_unset=True),
            "label_usd": labels,
            "pays": Pays.model_validate({Phase.STUDENT_TRAINING: "free"}).model_dump(mode="json"),
            "large": "google/t5-v1_1-xxl",
            "models": {"of the students": "google/t5-v1_1-small"},
            "sunk": "The making of both models is sunk cost, and so is the unlabelled text; training the student cost nothing by itself.",
            "lead": {_task(row): f"always {max(shares, key=shares.__getitem__)}" for row in cells if (shares := _classes(row["task"]))},
            "notes": {_task(row): _notes(row) for row in cells},
        },
        cells=tuple(_cell(row, book) for row in cells),
    )


def _task(row: Mapping[str, str]) -> str:
    return f"{row['task']}, {int(row['start_labels']):,} labels owned"


def _book() -> PriceBook:
    """Return the prices by task. A price book needs one price of a label. It is not meaningful here, because each task has its own."""
    compute = {row["task"]: row for row in rows("kang2023_compute")}
    (set_up,) = (float(row["usd"]) for row in rows("kang2023_set_up"))
    (hour_usd,) = {float(row["usd_per_gpu_hour"]) for row in compute.values()}
    items = {
        task: ItemPrices(
            teacher_set_up=set_up,
            teacher_tuning=float(row["usd_per_1k_labels_teacher_finetune"]),
            pseudo_labelling=float(row["usd_per_1k_unlabelled_distill"]),
        )
        for task, row in compute.items()
    }
    return PriceBook(
        label_usd=median_low(float(row["usd_per_label"]) for row in compute.values()),
        device_hour_usd=hour_usd,
        meter="items",
        usd_per_1k_items={_task(row): items[row["task"]] for row in rows("kang2023_cells")},
    )


def _cell(row: Mapping[str, str], book: PriceBook) -> Cell:
    added_usd, infeasible = float(row["added_usd"]), ""
    charges: tuple[Charge, ...]
    if row["strategy"] == "annotate":
        usd = float(row["usd_per_label"])
        count = math.floor(round(added_usd / usd, 9))
        charges = (Charge(kind="labels", quantity=count, unit="label", unit_price_usd=usd, paid_by="purse", phase="labels"),)
    elif not (charges := _distillation(row, book)):
        labels = int(row["start_labels"])
        usd = _paid(_compute(book, _task(row), Phase.TEACHER_TUNING, labels))
        infeasible = f"tuning the teacher on {labels:,} labels costs ${usd:.2f} of ${added_usd:.2f}, published as {row['score']}"
        infeasible += ": the budget is used up"
    floors = {f"floor: always {name}": {METRIC: points} for name, points in _classes(row["task"]).items()}
    return Cell(
        task=_task(row),
        strategy=row["strategy"],
        use=row["strategy"],
        settings={"label_share": 1.0 if row["strategy"] == "annotate" else 0.0},
        budget_usd=added_usd,
        scores={} if infeasible else {"student": {METRIC: float(row["score"])}, **floors},
        charges=charges,
        facts=_facts(row, charges),
        infeasible=infeasible,
    )


def _distillation(row: Mapping[str, str], book: PriceBook) -> tuple[Charge, ...]:
    """Return charges for a teacher tuned on the labels owned, and for as many documents as the rest pays for. The result is empty where no
    money is left for documents."""
    purse, task = Purse(float(row["added_usd"])), _task(row)
    teacher = _compute(book, task, Phase.TEACHER_TUNING, int(row["start_labels"]))
    left_usd = purse.left_usd - _paid(teacher)
    documents = math.floor(round(left_usd / ITEMS.unit_price_usd(book, task, Phase.PSEUDO_LABELLING), 6))
    return (*teacher, *_compute(book, task, Phase.PSEUDO_LABELLING, documents)) if documents > 0 else ()


def _compute(book: PriceBook, task: str, phase: Phase, items: int) -> tuple[Charge, ...]:
    """Return the charges of compute, paid by the item. The seconds beside them are what the same dollars buy at the price of a GPU-hour."""
    usd = items * ITEMS.unit_price_usd(book, task, phase) + book.set_up_usd(task, phase)
    bill = Bill(flops=0, wall_s=usd / WALL.unit_price_usd(book, task, phase), kwh=None, items=items)
    return tuple(book.compute_charges(bill, task, phase, "purse"))


def _paid(charges: tuple[Charge, ...]) -> float:
    return math.fsum(charge.usd for charge in charges if charge.paid_by == "purse")


def _facts(row: Mapping[str, str], charges: tuple[Charge, ...]) -> tuple[Fact, ...]:
    bought = {charge.phase: charge.quantity for charge in charges if charge.paid_by == "purse" and charge.unit in ("label", "item")}
    facts = [
        Fact(name="labels_owned", value=int(row["start_labels"]), unit="labels"),
        Fact(name="labels_bought", value=bought.get("labels", 0), unit="labels"),
        Fact(name="student_parameters", value=_parameters(*STUDENT), unit="parameters"),
    ]
    if row["strategy"] != "annotate" and charges:
        facts.append(Fact(name="pseudo_labels", value=bought[Phase.PSEUDO_LABELLING], unit="labels"))
    facts.append(Fact(name="start_labels_usd", value=float(row["start_usd"]), unit="USD"))
    if row["strategy"] != "annotate":
        facts += [Fact(name="teacher_parameters", value=_parameters(*TEACHER), unit="parameters"), Fact(name=LIMITED, value=1)]
    decimals = len(row["score"].partition(".")[2])
    equal = [points for points in _classes(row["task"]).values() if f"{points:.{decimals}f}" == row["score"]]
    facts += [Fact(name=EQUALS_CLASS_SHARE, value=points) for points in equal[:1]]
    return tuple(facts)


def _parameters(family: str, shape: str) -> float:
    (millions,) = (row["params_m"] for row in rows("params_by_shape") if (row["family"], row["shape"]) == (family, shape))
    return round(float(millions) * 1e6)


def _classes(task: str) -> Classes:
    """Return the classes that were counted. Empty where labels are not classes."""
    return {row["class"]: 100 * int(row["count"]) / int(row["test_rows"]) for row in rows("kang2023_classes") if row["task"] == task}


def _notes(row: Mapping[str, str]) -> list[str]:
    counted = [found for found in rows("kang2023_classes") if found["task"] == row["task"]]
    shares = [f"{found['class']} {int(found['count']):,}" for found in counted]
    said = [f"the score is {row['metric']}, in points"]
    said += [f"of {int(counted[0]['test_rows']):,} test documents: {', '.join(shares)}; counted, not published"] if counted else []
    return said
