"""Which rectangles hold which parts of a model: mappings, what they keep to, what they cost, how they look."""
