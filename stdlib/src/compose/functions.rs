//! `compose::…` as recipes call it.
