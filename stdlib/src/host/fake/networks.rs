//! Networks of a fake host, and the addresses in them.

use std::{collections::BTreeMap, net::Ipv4Addr};

use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest};

use super::Answer;

#[derive(Debug, Default)]
pub struct Networks {
    by_name: BTreeMap<String, Network>,
    made: u8,
}

impl Networks {
    /// What every engine has.
    pub fn predefined() -> Self {
        let network = |name: &str| {
            let network = Network { name: Some(name.into()), driver: Some(name.into()), ..Default::default() };
            (name.to_owned(), network)
        };
        Self { by_name: ["bridge", "host", "none"].map(network).into(), made: 0 }
    }

    pub fn list(&self) -> Vec<Network> {
        self.by_name.values().cloned().collect()
    }

    pub fn exists(&self, name: &str) -> Answer<()> {
        if self.by_name.contains_key(name) { Ok(()) } else { Err((404, format!("network {name} not found"))) }
    }

    pub fn create(&mut self, request: NetworkCreateRequest) -> Answer<()> {
        if self.by_name.contains_key(&request.name) {
            return Err((409, format!("network with name {} already exists", request.name)));
        }
        self.made += 1;
        let ipam = request.ipam.filter(|ipam| ipam.config.as_ref().is_some_and(|configs| !configs.is_empty()));
        let network = Network {
            id: Some(format!("{:064x}", self.made)),
            driver: Some(request.driver.unwrap_or_else(|| "bridge".into())),
            internal: request.internal,
            labels: Some(request.labels.unwrap_or_default()),
            options: request.options,
            ipam: Some(ipam.unwrap_or_else(|| default_subnet(self.made))),
            name: Some(request.name.clone()),
            ..Default::default()
        };
        if let Some(taken) = self.by_name.values().find(|other| subnets_overlap(other, &network)) {
            let name = taken.name.as_deref().unwrap_or_default();
            return Err((403, format!("Pool overlaps with other one on this address space: {name}")));
        }
        self.by_name.insert(request.name, network);
        Ok(())
    }

    pub fn remove(&mut self, name: &str, in_use: bool) -> Answer<()> {
        self.exists(name)?;
        if in_use {
            return Err((403, format!("error while removing network: network {name} has active endpoints")));
        }
        self.by_name.remove(name);
        Ok(())
    }

    /// The wanted address if it is in the network and free, or else the first free one.
    pub fn address(&self, name: &str, wanted: Option<&str>, taken: &[String]) -> Answer<Option<String>> {
        self.exists(name)?;
        let subnet = self.by_name.get(name).and_then(subnet);
        if let Some(wanted) = wanted {
            let address: Ipv4Addr = wanted.parse().map_err(|_| (400, format!("invalid IPv4 address: {wanted}")))?;
            if !subnet.is_some_and(|subnet| subnet.holds(address)) {
                return Err((400, format!("no configured subnet contains IP address {wanted}")));
            }
            if taken.iter().any(|other| other == wanted) {
                return Err((403, "Address already in use".into()));
            }
            return Ok(Some(wanted.to_owned()));
        }
        // The first address is the gateway's.
        Ok(subnet.and_then(|subnet| subnet.hosts().skip(1).find(|address| !taken.contains(address))))
    }
}

fn default_subnet(number: u8) -> Ipam {
    let config = IpamConfig { subnet: Some(format!("172.30.{number}.0/24")), ..Default::default() };
    Ipam { config: Some(vec![config]), ..Default::default() }
}

#[derive(Debug, Clone, Copy)]
struct Subnet {
    base: u32,
    bits: u32,
}

impl Subnet {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        Some(Self { base: u32::from(address.parse::<Ipv4Addr>().ok()?) & mask, bits })
    }

    fn holds(self, address: Ipv4Addr) -> bool {
        u64::from(u32::from(address)).checked_sub(u64::from(self.base)).is_some_and(|at| at < self.size())
    }

    fn size(self) -> u64 {
        1 << (32 - self.bits)
    }

    fn hosts(self) -> impl Iterator<Item = String> {
        let last = u64::from(self.base) + self.size() - 1;
        (u64::from(self.base) + 1..last).filter_map(|at| Some(Ipv4Addr::from(u32::try_from(at).ok()?).to_string()))
    }
}

fn subnet(network: &Network) -> Option<Subnet> {
    let configs = network.ipam.as_ref()?.config.as_ref()?;
    configs.iter().find_map(|config| Subnet::parse(config.subnet.as_deref()?))
}

fn subnets_overlap(one: &Network, other: &Network) -> bool {
    let (Some(one), Some(other)) = (subnet(one), subnet(other)) else { return false };
    let within = |inner: Subnet, outer: Subnet| outer.holds(Ipv4Addr::from(inner.base));
    within(one, other) || within(other, one)
}
