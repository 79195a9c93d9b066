//! `http::…` as recipes call it.
