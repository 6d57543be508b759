"""Put annotations into words, for every writer."""
