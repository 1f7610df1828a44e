"""What trials with real systems found wrong, one file a letter: each test is what a user expected instead."""
