"""Ways into trainers that people use already; each is imported only by who uses that trainer."""
