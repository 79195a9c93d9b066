//! What a person or a program sees of a run: consumers of events.
