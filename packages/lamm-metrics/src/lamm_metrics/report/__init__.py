"""Draw reports: tables for terminals and notebooks, one HTML page."""
