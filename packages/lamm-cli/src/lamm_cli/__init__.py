"""The lamm command: data, model, metrics, benchmark and demo."""
