"""What is printed: values and texts in, PDF out."""
