"""What ``python -m scripts.bench`` measures, a file each."""
