"""Answers documents with the model in the folder of this file. `bench export model` copies it there.

    python answer.py < documents.jsonl > answers.jsonl    one document, a JSON string, on each line
    python answer.py --serve 8000                         POST a JSON list of documents to http://127.0.0.1:8000/
    --ctranslate2                                         generate with the conversion in the folder `ctranslate2`
    --confidence                                          each answer is an object: answer, confidence, log_prob_per_token
    --threshold 0.02                                      adds passed_on: the confidence is below 0.02, so ask the teacher

The confidence is the probability of the whole answer, from 0 to 1, as in the table "Cascades" of bench's report. Its column "confidence
below" holds thresholds. `log_prob_per_token` is the natural logarithm of the confidence, divided by the number of tokens.

It needs torch and transformers, and for --ctranslate2 also ctranslate2.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig

SETTINGS, CONVERTED = "bench.json", "ctranslate2"
"""How documents are read, and the folder of the conversion."""


class Output(NamedTuple):
    """What the model generated for one document."""

    source: list[int]
    """Token ids that the model read."""
    tokens: list[int]
    """Token ids that it generated, including the one that ends the answer."""
    log_prob: float | None
    """Natural logarithm of the probability of all tokens together. None: the search did not return it."""


class Model:
    """A model and its tokenizer. `generation_config.json` says how it generates, and `bench.json` how it reads a document."""

    def __init__(self, folder: Path, *, converted: bool = False) -> None:
        """Load the model of a folder, or its CTranslate2 conversion."""
        self._how = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._settings = GenerationConfig.from_pretrained(folder)
        self._converted, self._model = converted, (_translator if converted else _loaded)(folder, self._how)

    def answers(self, documents: Sequence[str]) -> Iterator[str]:
        """Yield one answer for each document, in order."""
        for batch in self._batches(documents):
            yield from self._texts(batch)

    def with_confidence(self, documents: Sequence[str], threshold: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield one object for each document, in order: answer, confidence, log_prob_per_token, and passed_on where there is a threshold.

        threshold: confidence below which an answer is marked as passed on, from 0 to 1.
        """
        for batch in self._batches(documents):
            for text, output in zip(self._texts(batch), batch, strict=True):
                log_prob = self._log_prob(output) if output.log_prob is None else output.log_prob
                confidence = math.exp(log_prob)
                found = {"answer": text, "confidence": confidence, "log_prob_per_token": log_prob / len(output.tokens)}
                yield found if threshold is None else {**found, "passed_on": confidence < threshold}

    def _batches(self, documents: Sequence[str]) -> Iterator[list[Output]]:
        size = self._how["batch_size"]
        for at in range(0, len(documents), size):
            rows = self._read(documents[at : at + size])
            yield self._translated(rows) if self._converted else self._generated(rows)

    def _texts(self, batch: list[Output]) -> list[str]:
        texts = self._tokenizer.batch_decode([output.tokens for output in batch], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _read(self, documents: Sequence[str]) -> list[list[int]]:
        """Return the token ids of documents between the prefix and the end of a prompt, cut at the limit."""
        behind = self._tokenizer(self._how["behind"], add_special_tokens=False)["input_ids"] if self._how["behind"] else []
        texts = [self._how["prefix"] + document for document in documents]
        rows = self._tokenizer(texts, truncation=True, max_length=self._how["max_source_tokens"] - len(behind))["input_ids"]
        return [[*row, *behind] for row in rows]

    def _generated(self, rows: list[list[int]]) -> list[Output]:
        model, longest = self._model, max(map(len, rows))
        left, padding = not model.config.is_encoder_decoder, model.config.pad_token_id
        gaps = [longest - len(row) for row in rows]
        ids = [[padding] * gap + row if left else row + [padding] * gap for row, gap in zip(rows, gaps, strict=True)]
        mask = [[0] * gap + [1] * len(row) if left else [1] * len(row) + [0] * gap for row, gap in zip(rows, gaps, strict=True)]
        found = model.generate(input_ids=torch.tensor(ids).to(model.device), attention_mask=torch.tensor(mask).to(model.device))
        written = found[:, longest if left else 1 :].tolist()  # a decoder with an encoder begins with a start token
        return [Output(row, self._ended(tokens), None) for row, tokens in zip(rows, written, strict=True)]

    def _ended(self, tokens: list[int]) -> list[int]:
        """Return the tokens up to the first one that ends an answer."""
        ends = self._settings.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return tokens[: 1 + next((at for at, token in enumerate(tokens) if token in ends), len(tokens))]

    def _log_prob(self, output: Output) -> float:
        """Return the log-probability of a generated answer: of each token after those before it, summed. A forced first token has 0."""
        model, settings = self._model, self._settings
        source, tokens = (torch.tensor([ids]).to(model.device) for ids in (output.source, output.tokens))
        with torch.inference_mode():
            if model.config.is_encoder_decoder:
                start = torch.full_like(tokens[:, :1], settings.decoder_start_token_id)
                before = torch.cat([start, tokens[:, :-1]], 1)
                logits = model(input_ids=source, attention_mask=torch.ones_like(source), decoder_input_ids=before).logits[0]
            else:
                ids = torch.cat([source, tokens[:, :-1]], 1)
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, source.shape[1] - 1 :]
        each = logits.float().log_softmax(-1).gather(-1, tokens[0][:, None])
        return float(each[settings.forced_bos_token_id is not None :].sum())

    def _translated(self, rows: list[list[int]]) -> list[Output]:
        """Generate with the conversion. Its tokens are token ids as text."""
        settings = self._settings
        first, beams = settings.forced_bos_token_id, settings.num_beams or 1
        penalty = settings.length_penalty if beams > 1 else 0.0
        results = self._model.translate_batch(
            [[str(token) for token in row] for row in rows],
            target_prefix=None if first is None else [[str(first)]] * len(rows),
            beam_size=beams,
            length_penalty=penalty,
            max_input_length=0,
            max_decoding_length=settings.max_new_tokens,
            end_token=settings.eos_token_id,
            return_end_token=True,
            return_scores=True,
        )
        found = [([int(token) for token in result.hypotheses[0]], result.scores[0]) for result in results]
        return [Output(row, tokens, score * len(tokens) ** penalty) for row, (tokens, score) in zip(rows, found, strict=True)]


def _loaded(folder: Path, how: dict[str, Any]) -> Any:
    kind = AutoModelForSeq2SeqLM if how["encoder_decoder"] else AutoModelForCausalLM
    return kind.from_pretrained(folder).to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _translator(folder: Path, how: dict[str, Any]) -> Any:
    import ctranslate2

    device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    return ctranslate2.Translator(str(folder / CONVERTED), device=device, compute_type=how["compute_type"])


def serve(answers: Callable[[Sequence[str]], Iterator[Any]], port: int) -> None:
    """Answer lists of documents on 127.0.0.1, one request at a time, until the process ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                documents = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)))
                if not isinstance(documents, list) or not all(isinstance(one, str) for one in documents):
                    raise ValueError
            except ValueError:
                self.send_error(400, "the body is no JSON list of texts")
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps([*answers(documents)]).encode())

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main() -> None:
    """Answer the documents of standard input, or serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", metavar="PORT", type=int, help="port of a server on 127.0.0.1")
    parser.add_argument("--ctranslate2", action="store_true", help="generate with CTranslate2")
    parser.add_argument("--confidence", action="store_true", help="print the probability of each answer too")
    parser.add_argument("--threshold", metavar="T", type=probability, help="mark answers with a lower confidence, from 0 to 1")
    asked = parser.parse_args()
    model = Model(Path(__file__).parent, converted=asked.ctranslate2)
    answers: Callable[[Sequence[str]], Iterator[Any]] = model.answers
    if asked.confidence or asked.threshold is not None:
        answers = partial(model.with_confidence, threshold=asked.threshold)
    if asked.serve:
        serve(answers, asked.serve)
    else:
        for answer in answers([json.loads(line) for line in sys.stdin if line.strip()]):
            print(json.dumps(answer), flush=True)


def probability(text: str) -> float:
    """Return a number from 0 to 1. Raises ValueError."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


if __name__ == "__main__":
    main()
