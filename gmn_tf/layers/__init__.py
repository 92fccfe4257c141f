"""Keras layers over GraphTensors of parameter graphs: encoders, convolution, updates, readouts."""
