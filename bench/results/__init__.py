"""Stage 3: ledgers -> one table; the same table at other prices; figures that others published."""
