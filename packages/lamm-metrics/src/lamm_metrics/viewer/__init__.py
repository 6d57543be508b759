"""The one viewer of clouds and pictures, for every page of these packages: its script, and clouds packed for it."""
