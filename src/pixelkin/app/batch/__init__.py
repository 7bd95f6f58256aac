"""Many videos: a list of jobs, which of them are this machine's, and who runs them."""
