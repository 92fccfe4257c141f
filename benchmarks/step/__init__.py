"""The training step of a metanetwork in several forms, a process each."""
