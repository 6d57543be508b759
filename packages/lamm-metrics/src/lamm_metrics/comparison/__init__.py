"""Score twice and compare: paired tests, variants, conventions, chance."""
