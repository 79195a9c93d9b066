//! HAProxy on each host that has routes: configuration, runtime, and the switch from old containers to new ones.
