"""What exams are, which earlier ones are worth comparing, and which need not be repeated: pure, by tables that a site edits."""
