"""What can be asked and what is answered, as schemas; and the document of it all."""
