"""Running lessons: the command line, headless runs, pages, what is installed."""
