"""Maps and labels to numbers with uncertainty; knows no threshold."""
