"""Count and plot what a file of records holds."""
