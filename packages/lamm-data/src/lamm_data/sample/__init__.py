"""The sample world: a seeded generator of synthetic images and rooms, stored in the formats of real sources."""
