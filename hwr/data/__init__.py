"""A name on the command line to labelled ink."""
