"""Side-by-side measurements: each compares answers before it times anything."""
