"""Put a model together from a language model and towers."""
