"""Put the systems together from the settings: nobody else builds clients or knows kinds of sources and forges."""
