"""Protocol machines without I/O: bytes in, events out; answers in, bytes out. None of them sees a socket or a clock."""
