"""The public clients against a live server: what users of the Databricks wire run, unchanged but for host and token."""
