"""MPI works, over the data network alone."""
