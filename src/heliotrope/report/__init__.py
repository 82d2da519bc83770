"""Results to documents; returns text and writes nothing."""
