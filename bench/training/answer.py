"""Answers documents with the model in the folder of this file. `bench export model` copies it there.

    python answer.py < documents.jsonl > answers.jsonl    one document, a JSON string, on each line
    python answer.py --serve 8000                         POST a JSON list of documents to http://127.0.0.1:8000/
    --ctranslate2                                         generate with the conversion in the folder `ctranslate2`

It needs torch and transformers, and for --ctranslate2 also ctranslate2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig

SETTINGS, CONVERTED = "bench.json", "ctranslate2"
"""How documents are read, and the folder of the conversion."""


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
        size = self._how["batch_size"]
        for at in range(0, len(documents), size):
            rows = self._read(documents[at : at + size])
            written = self._translated(rows) if self._converted else self._generated(rows)
            yield from (text.strip() for text in self._tokenizer.batch_decode(written, skip_special_tokens=True))

    def _read(self, documents: Sequence[str]) -> list[list[int]]:
        """Return the token ids of documents between the prefix and the end of a prompt, cut at the limit."""
        behind = self._tokenizer(self._how["behind"], add_special_tokens=False)["input_ids"] if self._how["behind"] else []
        texts = [self._how["prefix"] + document for document in documents]
        rows = self._tokenizer(texts, truncation=True, max_length=self._how["max_source_tokens"] - len(behind))["input_ids"]
        return [[*row, *behind] for row in rows]

    def _generated(self, rows: list[list[int]]) -> Any:
        model, longest = self._model, max(map(len, rows))
        left, padding = not model.config.is_encoder_decoder, model.config.pad_token_id
        gaps = [longest - len(row) for row in rows]
        ids = [[padding] * gap + row if left else row + [padding] * gap for row, gap in zip(rows, gaps, strict=True)]
        mask = [[0] * gap + [1] * len(row) if left else [1] * len(row) + [0] * gap for row, gap in zip(rows, gaps, strict=True)]
        found = model.generate(input_ids=torch.tensor(ids).to(model.device), attention_mask=torch.tensor(mask).to(model.device))
        return found[:, longest:] if left else found

    def _translated(self, rows: list[list[int]]) -> list[list[int]]:
        """Return generated token ids. The tokens of the conversion are these ids as text."""
        settings = self._settings
        first, beams = settings.forced_bos_token_id, settings.num_beams or 1
        results = self._model.translate_batch(
            [[str(token) for token in row] for row in rows],
            target_prefix=None if first is None else [[str(first)]] * len(rows),
            beam_size=beams,
            length_penalty=settings.length_penalty if beams > 1 else 0.0,
            max_input_length=0,
            max_decoding_length=settings.max_new_tokens,
            end_token=settings.eos_token_id,
        )
        return [[int(token) for token in result.hypotheses[0]] for result in results]


def _loaded(folder: Path, how: dict[str, Any]) -> Any:
    kind = AutoModelForSeq2SeqLM if how["encoder_decoder"] else AutoModelForCausalLM
    return kind.from_pretrained(folder).to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _translator(folder: Path, how: dict[str, Any]) -> Any:
    import ctranslate2

    device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    return ctranslate2.Translator(str(folder / CONVERTED), device=device, compute_type=how["compute_type"])


def serve(model: Model, port: int) -> None:
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
            self.wfile.write(json.dumps([*model.answers(documents)]).encode())

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main() -> None:
    """Answer the documents of standard input, or serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", metavar="PORT", type=int, help="port of a server on 127.0.0.1")
    parser.add_argument("--ctranslate2", action="store_true", help="generate with CTranslate2")
    asked = parser.parse_args()
    model = Model(Path(__file__).parent, converted=asked.ctranslate2)
    if asked.serve:
        serve(model, asked.serve)
    else:
        for answer in model.answers([json.loads(line) for line in sys.stdin if line.strip()]):
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
