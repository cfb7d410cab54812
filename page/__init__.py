"""What app.py is made of: the page's parts, its words, its pictures and its answers."""
