"""The benchmark: this bank and another archive on one machine, asked for the same by the same outside clients.

Nothing here is loaded by the bank.
"""
