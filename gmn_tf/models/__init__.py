"""Metanetworks."""
