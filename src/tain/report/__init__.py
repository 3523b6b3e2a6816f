"""What a person sees of a run: lines, statistics, the closing error line, the log file."""
