"""Use cases; the only place that chains stages."""
