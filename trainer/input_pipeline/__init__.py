"""From records to batches for Keras: decoded once, cached, augmented."""
