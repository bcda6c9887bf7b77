"""What is wanted: settings, machines, the cluster and its names."""
