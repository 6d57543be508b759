"""The model of the paper's figure."""
