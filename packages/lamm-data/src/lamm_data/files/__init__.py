"""Files on disk: JSON Lines, streams, shards, archives, processes."""
