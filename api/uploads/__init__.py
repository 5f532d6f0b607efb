"""From a request's body to a stored image: spooled, scanned, de-identified, put into the store."""
