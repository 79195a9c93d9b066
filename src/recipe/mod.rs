//! Recipes: find, load, evaluate within limits, check, document. The only place that knows Rhai.
