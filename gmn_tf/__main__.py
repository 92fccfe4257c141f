"""`python -m gmn_tf` is `gmn-tf`."""

from gmn_tf.cli import main

if __name__ == "__main__":
    main()
