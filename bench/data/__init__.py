"""Reading text from installed packages' source code, from files of rows, and from the Hugging Face Hub."""
