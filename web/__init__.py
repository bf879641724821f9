"""The browser pages and the JSON API (to come): nothing is here yet but the room."""
