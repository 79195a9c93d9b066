//! `image::…` as recipes call it.
