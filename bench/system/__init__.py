"""The machine, processes, files and copies of the hub: what every other package stands on."""
