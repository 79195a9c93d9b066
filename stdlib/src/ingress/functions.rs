//! `ingress::…` as recipes call it.
