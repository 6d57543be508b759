"""Halls: rooms of solids in which kinds and colours repeat, with the questions that 3D language models are asked."""
