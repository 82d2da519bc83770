"""Optional outside engines."""
