"""Imagebank: an open-source, cloud-ready bank for medical images."""

__version__ = "0.1.0"
