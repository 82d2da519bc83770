"""Calcium of the soft tissue in CT: where it is, in which tissue plane it lies, what shape it has."""
