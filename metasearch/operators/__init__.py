"""What strategies share: edit formats, prompts, selection, islands and their topologies."""
