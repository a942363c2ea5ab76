"""Labels from a file that an LLM wrote elsewhere, bought in place of those of an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.contracts import OWN_PRICE, BuildContext, Charge, Example, PaidBy, Recipe
from bench.training.llm_labels import Labelling, read_labelling, write_labelling
from bench.training.llm_prompt import Prompt
from bench.training.llm_responses import Reply


@dataclass(frozen=True, kw_only=True)
class WrittenLabels(Recipe):
    """Labels from a file, bought at a price for each. Each is judged as an answer of an endpoint is, with all of its lines."""

    examples: Sequence[Example]
    """Documents with the labels that the LLM wrote."""
    prompt: Prompt
    usd_per_label: float
    prompt_tokens: int
    """Prompt tokens of each label; likewise `output_tokens`."""
    output_tokens: int

    on_device = False

    def forecast_flops(self, context: BuildContext) -> float:  # noqa: ARG002
        return 0.0

    def forecast_tokens(self, context: BuildContext) -> tuple[int, int]:  # noqa: ARG002
        return len(self.examples) * self.prompt_tokens, len(self.examples) * self.output_tokens

    def own_charges(self, phase: str, paid_by: PaidBy) -> list[Charge]:
        count, usd = len(self.examples), self.usd_per_label
        charge = Charge(kind="LLM labels", quantity=count, unit=OWN_PRICE, unit_price_usd=usd, paid_by=paid_by, phase=phase)
        return [charge] if usd else []

    def make(self, folder: Path, context: BuildContext) -> None:
        replies = [
            Reply(text=example.target or "", finished=True, prompt_tokens=self.prompt_tokens, output_tokens=self.output_tokens)
            for example in self.examples
        ]
        for reply in replies:
            context.usage.record_tokens(reply.prompt_tokens, reply.output_tokens)
        write_labelling(folder, self.prompt, self.examples, replies, opened=False)

    def read(self, folder: Path) -> Labelling:
        return replace(read_labelling(folder, self.examples), repeated_answer="")  # nothing is asked, so nothing can be saved

    def placeholder(self, context: BuildContext) -> Labelling:
        """Return all labels as if they were valid."""
        prompt_tokens, output_tokens = self.forecast_tokens(context)
        return Labelling(
            examples=self.examples,
            documents=len(self.examples),
            invalid=0,
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
        )
