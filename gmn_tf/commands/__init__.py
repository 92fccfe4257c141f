"""The commands of `gmn-tf`. Their modules import nothing heavy at the top, so that `--help` is quick."""
