"""Find near-duplicate texts exactly or by MinHash."""
