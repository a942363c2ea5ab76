"""bench: annotate, distill, or shrink and fine-tune? The best compact model for N labels, a pool of text and B dollars."""

__version__ = "0.1.0"
