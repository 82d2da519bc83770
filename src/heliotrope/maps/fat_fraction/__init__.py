"""Proton-density fat fraction in percent, from what a scanner gave: complex or magnitude echoes, or its own images."""
