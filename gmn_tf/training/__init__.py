"""From a zoo to a trained, resumable, evaluated metanetwork."""
