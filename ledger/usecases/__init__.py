"""What is loaded, asked and recorded, in which order. Functions; time comes as `at`."""
