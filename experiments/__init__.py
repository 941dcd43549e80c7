"""Tasks run from YAML, their outputs and metrics, and the command line."""
