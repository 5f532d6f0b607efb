"""The HTTP side: routes, schemas, authentication, and the one submission use case. Never TensorFlow."""
