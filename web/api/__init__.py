"""The JSON API: what pages show and do, for programs."""
