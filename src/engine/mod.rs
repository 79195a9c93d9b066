//! Runs a plan: scheduling, deadlines, cancellation, journal, lock, undo, resume.
