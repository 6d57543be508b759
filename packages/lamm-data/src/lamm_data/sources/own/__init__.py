"""Images and annotations of your own: what a folder holds is found out, then read by one small reader a format."""
