"""Sessions: the labels of a video as people correct them, and what follows from each."""
