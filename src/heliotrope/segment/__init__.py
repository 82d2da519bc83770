"""Volume to labels."""
