"""The viewer: what it shows and does is free of any window; a window and a headless front end drive it."""
