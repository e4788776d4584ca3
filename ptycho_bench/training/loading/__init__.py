"""Batches of training samples, from memory or streamed from a file."""
