"""Adapters of the ports: databases and object stores."""
