"""Programs of other mail servers under their own names, as far as they are about the queue: what hands know, and what
scripts call. Called through a link with such a name, or as `estafeta NAME`."""
