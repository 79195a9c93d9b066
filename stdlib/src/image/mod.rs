//! Images: what a host lacks of them, and how it gets there.
