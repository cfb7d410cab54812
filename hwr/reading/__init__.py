"""The ink of a page to lines to text."""
