"""Fine-tuning: settings, data, shared-prefix packing, and the trainer."""
