"""The theme of all pages: colours, light and dark mode, base styles, the logo."""
