"""Files that come from elsewhere or go elsewhere: checked against a schema, written whole, temporary."""
