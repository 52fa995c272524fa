"""What several stages do alike: cases into arrays, folds, a recipe made, a network packaged."""
