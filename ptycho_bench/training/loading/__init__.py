"""Batches of training samples, kept in memory or streamed from a file."""
