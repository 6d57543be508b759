"""Prompts for self-instruct generation, one versioned TOML file for each kind of data."""
