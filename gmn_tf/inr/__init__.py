"""Implicit neural representations (INRs): architectures, fitting, populations, rendering."""
