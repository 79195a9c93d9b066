//! Release records in the environment's state, and the commit.
