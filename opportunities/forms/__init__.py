"""The shape of what people type about opportunities."""
