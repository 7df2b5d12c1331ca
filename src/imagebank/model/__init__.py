"""Values. Standard library only; nothing here reads, writes or asks the time."""
