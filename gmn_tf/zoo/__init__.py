"""Populations of small trained networks: recipe, training, storage, measured accuracies."""
