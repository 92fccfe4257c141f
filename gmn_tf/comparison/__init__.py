"""Methods side by side: rows of results that accumulate, tables and charts of them."""
