//! A stand-in for netem, on kernels that lack it: holds every packet of an NFQUEUE for a while, in order.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    process::ExitCode,
    sync::{
        Arc,
        mpsc::{Receiver, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::{
    fd::OwnedFd,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketType,
        netlink::{NETFILTER, SocketAddrNetlink},
        recv, sendto, socket, sockopt,
    },
};

use crate::settings::Options;

/// Packets held at once; more are dropped, as by a full wire.
const MOST_HELD: usize = 1 << 16;
const RECEIVE_BUFFER: usize = 8 << 20;
/// A forgotten delay ends by itself.
const LONGEST_RUN_SECONDS: f64 = 3600.0;

// linux/netfilter/nfnetlink.h and nfnetlink_queue.h
const SUBSYSTEM_QUEUE: u16 = 3 << 8;
const MESSAGE_PACKET: u16 = 0;
const MESSAGE_VERDICT: u16 = 1;
const MESSAGE_CONFIG: u16 = 2;
const CONFIG_COMMAND: u16 = 1;
const CONFIG_PARAMETERS: u16 = 2;
const CONFIG_MOST_PACKETS: u16 = 3;
const ATTRIBUTE_HEADER: u16 = 1;
const ATTRIBUTE_VERDICT: u16 = 2;
const REQUEST: u16 = 1;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const NETLINK_HEADER: usize = 16;
const NETFILTER_HEADER: usize = 4;
const ATTRIBUTE_SIZE: usize = 4;

/// One NFQUEUE.
struct Queue {
    socket: OwnedFd,
    number: u16,
}

impl Queue {
    fn bind(number: u16) -> Result<Self> {
        let socket = socket(AddressFamily::NETLINK, SocketType::RAW, Some(NETFILTER))?;
        sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
        let queue = Self { socket, number };
        queue.send(MESSAGE_CONFIG, &attribute(CONFIG_COMMAND, &[1, 0, 0, 0]))?;
        // Only the packet's id is copied, not the packet.
        let parameters = attribute(CONFIG_PARAMETERS, &[0, 0, 0, 0, 1]);
        let most = attribute(CONFIG_MOST_PACKETS, &u32::try_from(MOST_HELD)?.to_be_bytes());
        queue.send(MESSAGE_CONFIG, &[parameters, most].concat())?;
        Ok(queue)
    }

    fn send(&self, kind: u16, attributes: &[u8]) -> Result<()> {
        let length = u32::try_from(NETLINK_HEADER + NETFILTER_HEADER + attributes.len())?;
        let message = [
            &length.to_le_bytes()[..],
            &(SUBSYSTEM_QUEUE | kind).to_le_bytes(),
            &REQUEST.to_le_bytes(),
            &[0; 8], // sequence and port
            &[0, 0], // any family, version 0
            &self.number.to_be_bytes(),
            attributes,
        ];
        sendto(&self.socket, &message.concat(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        Ok(())
    }

    fn judge(&self, packet: u32, verdict: u32) -> Result<()> {
        let words = [verdict.to_be_bytes(), packet.to_be_bytes()].concat();
        self.send(MESSAGE_VERDICT, &attribute(ATTRIBUTE_VERDICT, &words))
    }
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE_SIZE + value.len()).expect("attributes here are short");
    let mut bytes = [&length.to_le_bytes()[..], &kind.to_le_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(ATTRIBUTE_SIZE), 0);
    bytes
}

/// The ids of the packets in what the kernel sent.
fn packets(mut bytes: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    while let Some((message, kind, rest)) = next_message(bytes) {
        bytes = rest;
        if kind == SUBSYSTEM_QUEUE | MESSAGE_PACKET {
            found.extend(packet_id(message.get(NETFILTER_HEADER..).unwrap_or_default()));
        }
    }
    found
}

fn next_message(bytes: &[u8]) -> Option<(&[u8], u16, &[u8])> {
    let header = bytes.get(..NETLINK_HEADER)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let kind = u16::from_le_bytes(header[4..6].try_into().ok()?);
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((bytes.get(NETLINK_HEADER..length)?, kind, rest))
}

fn packet_id(mut attributes: &[u8]) -> Option<u32> {
    loop {
        let length = usize::from(u16::from_le_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_le_bytes(attributes.get(2..4)?.try_into().ok()?);
        if kind == ATTRIBUTE_HEADER {
            return Some(u32::from_be_bytes(attributes.get(4..8)?.try_into().ok()?));
        }
        attributes = attributes.get(length.max(ATTRIBUTE_SIZE).next_multiple_of(ATTRIBUTE_SIZE)..)?;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a queue's number is small and not negative"
)]
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments, &["rtt", "loss", "queue", "for"])?;
    // A round trip passes the queue twice, once in each direction.
    let one_way = Duration::from_secs_f64(options.number("rtt", 50.0)? / 2.0 / 1000.0);
    let loss = options.number("loss", 0.0)? / 100.0;
    let ends = Duration::from_secs_f64(options.number("for", LONGEST_RUN_SECONDS)?.min(LONGEST_RUN_SECONDS));
    let queue = Arc::new(Queue::bind(options.number("queue", 7.0)? as u16).context("NFQUEUE (needs root)")?);

    let (held, due) = sync_channel(MOST_HELD);
    let releasing = queue.clone();
    thread::spawn(move || release(&releasing, &due));
    thread::spawn(move || {
        thread::sleep(ends);
        std::process::exit(0);
    });
    let mut buffer = vec![0_u8; 1 << 16];
    loop {
        // ENOBUFS: packets were lost before they came here, as on a full wire.
        let Ok((length, _)) = recv(&queue.socket, &mut buffer[..], RecvFlags::empty()) else { continue };
        for packet in packets(&buffer[..length]) {
            let is_lost = loss > 0.0 && random() < loss;
            if is_lost || matches!(held.try_send((packet, Instant::now() + one_way)), Err(TrySendError::Full(_))) {
                queue.judge(packet, DROP)?;
            }
        }
    }
}

/// Lets packets go when they are due. One delay for all keeps their order.
fn release(queue: &Queue, due: &Receiver<(u32, Instant)>) {
    for (packet, at) in due {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if queue.judge(packet, ACCEPT).is_err() {
            return;
        }
    }
}

/// Between 0 and 1; the standard library's only source of randomness is its hasher's.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).expect("32 bits")) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_to_four_bytes() {
        assert_eq!(attribute(2, &[0, 0, 0, 0, 1]), [9, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn packet_ids_are_found_behind_other_attributes() {
        let attributes = [attribute(9, &[1, 2, 3]), attribute(ATTRIBUTE_HEADER, &[0, 0, 1, 2, 8, 0, 0])].concat();
        let length = u32::try_from(NETLINK_HEADER + NETFILTER_HEADER + attributes.len()).expect("short");
        let message =
            [&length.to_le_bytes()[..], &SUBSYSTEM_QUEUE.to_le_bytes(), &[0; 10], &[0; 4], &attributes].concat();
        assert_eq!(packets(&[message.clone(), message].concat()), [258, 258]);
        assert_eq!(packets(&[0; 7]), [0_u32; 0]);
    }
}
