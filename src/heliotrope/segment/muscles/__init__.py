"""Single muscles of the thigh by a small network, its answers checked, and withheld where they do not hold."""
