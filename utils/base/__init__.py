"""What everything else stands on: TensorFlow imported quietly, folders, pictures, cache, ranges."""
