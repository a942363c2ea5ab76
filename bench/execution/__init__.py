"""Turns arms into ledgers and records: every arm runs in a fresh process, pays from its purse and is scored."""
