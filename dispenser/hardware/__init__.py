"""What the machine is made of: printer, display, keyboard. Each can be another."""
