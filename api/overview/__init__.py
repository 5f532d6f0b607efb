"""The overview of queue, rates, workers and servers."""
