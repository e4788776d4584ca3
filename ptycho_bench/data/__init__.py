"""Scan data: simulate, store, check and split scans."""
