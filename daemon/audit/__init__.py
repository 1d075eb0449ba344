"""What an auditor asks of the log: each question a file, without any words for a terminal or for HTTP."""
