"""One file a metric, and what every metric is."""
