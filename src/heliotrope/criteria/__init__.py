"""Clinical instruments in exact, three-valued arithmetic."""
