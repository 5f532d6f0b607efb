"""What goes through the pipes between the pool and a decoder process."""

from __future__ import annotations

import struct

# Length of the request (`imaging.decode_requests`), `longest_side`, `timeout_s`, length of the file; the request and
# the file follow.
REQUEST = struct.Struct(">HIdQ")
# Length of a JSON head, length of the pixels; both follow.
ANSWER = struct.Struct(">IQ")
