"""Ledgers -> one table; the same at other prices; figures that others published."""
