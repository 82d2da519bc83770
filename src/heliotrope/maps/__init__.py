"""Signal to parametric map; no map imports another."""
