"""Typed schema of every experiment, YAML presets, and the project's own small meshes."""
