"""Personal data and keywords in texts, whole and in pieces."""
