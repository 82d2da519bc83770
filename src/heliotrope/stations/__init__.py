"""Several stations of one contrast, one above the other, to one image."""
