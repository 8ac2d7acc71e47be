"""One file a topic; every :class:`lvslab.lint.model.Rule` in them is found by the registry."""
