"""Why anyone should believe it."""
