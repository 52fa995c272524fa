"""Runtimes: what computes a packaged graph. One file each; none needs torch."""
