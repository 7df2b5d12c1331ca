"""Bytes to values and back. No network, no database."""
