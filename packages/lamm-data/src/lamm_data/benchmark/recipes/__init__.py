"""Recipes: benchmark files changed in one respect, so that the difference in score says something of the model."""
