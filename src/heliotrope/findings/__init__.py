"""Numbers to statements with their evidence."""
