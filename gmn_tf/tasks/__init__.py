"""What a metanetwork is trained for, the figures it is judged by, and the baselines beside it."""
