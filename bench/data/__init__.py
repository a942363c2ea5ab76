"""Text as it lies about: in the source of installed packages, in tables, on the hub."""
