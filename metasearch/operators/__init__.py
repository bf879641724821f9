"""What strategies share: edits, prompts, selection, islands, ratings, memory, search health."""
