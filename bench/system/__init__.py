"""Machine, processes, files and copies of the hub. Every other package may use these."""
