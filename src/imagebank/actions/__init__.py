"""What the bank does: one verb per module. Actions see ports, never adapters."""
