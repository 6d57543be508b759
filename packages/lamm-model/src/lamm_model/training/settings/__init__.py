"""The tables of a fine-tuning configuration, one file each."""
