"""Any picture to ink to network input: the only preprocessing there is."""
