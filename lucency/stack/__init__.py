"""The local stack: real servers out of wheels, the applications, and the supervisor that keeps them running."""
