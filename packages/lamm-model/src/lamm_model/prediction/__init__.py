"""Prediction: benchmark records in, answers out; batched, resumable, in order."""
