"""ResNet50 (25.6 million edges) through a metanetwork: streamed inference, and one training step.

    .venv/bin/python -m benchmarks.resnet50 [--mode inference|training] [--scale S]

Inference: width 32, 4 blocks, both directions. Training: width 16, states in chunks, products computed
again. Each in a fresh process, whose peak memory is the operating system's count. `--scale` multiplies the
images' side and the classes away: below 1 it takes a smaller network of the same family.
"""
