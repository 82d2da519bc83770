"""Digital reference objects with stored truth; every one is synthetic and says so."""
