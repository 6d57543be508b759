"""Faces and licence plates blurred in copies of images, offline, with a record of every region."""
