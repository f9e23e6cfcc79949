"""Drawings of graphs: what is drawn, where it stands, and how it comes out."""
