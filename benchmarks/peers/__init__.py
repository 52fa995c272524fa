"""What others do today, written as well as its authors would: the other half of a comparison."""
