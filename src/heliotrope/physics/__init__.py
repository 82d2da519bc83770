"""Forward signal models, each with equation, unit and source."""
