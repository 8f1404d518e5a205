"""What grows how: the axes along which work grows, what is measured on each, and how it is shown."""
