"""Jobs over HTTP: the one way in, one by one, and by the many."""
