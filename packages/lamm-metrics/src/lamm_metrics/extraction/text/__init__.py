"""What every extractor knows about answers as text."""
