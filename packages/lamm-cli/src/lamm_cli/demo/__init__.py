"""Run the whole of LAMM on this machine."""
