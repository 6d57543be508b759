"""Pools of phrasings: packaged, checked, grown."""
