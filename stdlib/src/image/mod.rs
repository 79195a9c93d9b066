//! Images: built on the operator's machine, named by content, sent layer by layer.

mod archive;
mod build;
mod cli;
mod content;
mod credentials;
mod direct;
mod export;
mod forget;
pub mod functions;
mod identity;
mod ignore;
mod layers;
mod registry;
mod room;
mod shipment;
mod source;
mod transfer;

pub use build::{BuildRequest, Rebuild, Resolved, resolve};
pub use forget::{Forget, forget_unused};
pub use room::check_room;
pub use source::Source;
pub use transfer::{Lack, SendImages};

/// A number of bytes for people: `6.1 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_written_for_people() {
        for (bytes, text) in [(999, "999 B"), (1_001, "2 kB"), (6_149_000, "6.1 MB"), (1_234_500_000, "1234.5 MB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
