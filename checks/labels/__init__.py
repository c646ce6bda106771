"""Labels that cannot be trusted or learned from."""
