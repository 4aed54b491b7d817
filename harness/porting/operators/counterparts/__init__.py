"""MindSpore functions that do what aten operators do."""
