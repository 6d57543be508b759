"""Metrics of sentences: BLEU, CIDEr-D, ROUGE-L."""
