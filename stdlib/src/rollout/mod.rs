//! Replacing a service's containers without a dropped request, as phases.
