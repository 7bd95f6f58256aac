"""The local web server over one annotation session: frames, labels, edits, runs, events."""
