"""The nouns of the product: plain frozen data that knows no file, library or log."""
