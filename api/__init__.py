"""The HTTP side: routes, schemas, authentication, and the one submission use case. Never TensorFlow."""

import gc

# A thousand modules load after this, and stay. To look through them while they load takes 0.2 s; `api.memory.settled`
# sets it back.
gc.set_threshold(250_000, 10, 10)
