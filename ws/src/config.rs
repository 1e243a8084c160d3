//! How the live channel is set up.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

/// Everything that an operator decides.
#[derive(Debug, Clone)]
pub struct LiveConfig {
    /// Where to listen: a name or an address.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// TLS of one's own; `None` behind a proxy that has it.
    pub tls: Option<Arc<ServerConfig>>,
    /// Threads that sessions are spread over, at least one.
    pub shards: usize,
    /// Between two pings.
    pub ping_interval: Duration,
    /// How long sessions are waited for when the server stops.
    pub drain_timeout: Duration,
    /// Bytes that may wait for a session before positions are left out in favour of newer ones.
    pub backpressure_threshold_bytes: usize,
    /// How long a session may be behind before it is closed.
    pub slow_client: Duration,
    /// For how long a subscription goes on when nobody can be asked whether it may.
    pub authz_max_stale: Duration,
    /// How often it is asked again whether a subscription may go on.
    pub authz_revalidate: Duration,
    /// Origins, as `https://host[:port]`, that may use a cookie beside those of the server's own host.
    pub allowed_origins: Vec<String>,
    /// Whose `X-Forwarded-For` and `X-Forwarded-Host` count.
    pub trusted_proxies: Vec<Network>,
    /// Connections at once, those that are still shaking hands included.
    pub max_connections: usize,
    /// Of one address.
    pub max_connections_per_address: usize,
    /// Of one user.
    pub max_connections_per_user: usize,
    /// Of clients that have still to send a token.
    pub max_unauthenticated: usize,
    /// Subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Bytes of one message of a client.
    pub max_message_bytes: usize,
    /// Messages of a client in a second, pings and pongs included; twice as many at once.
    pub max_messages_per_second: u32,
    /// From the connection to the end of the request's head, and the same again for TLS.
    pub handshake_timeout: Duration,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".into(),
            port: 8081,
            tls: None,
            shards: 2,
            ping_interval: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            backpressure_threshold_bytes: 1024 * 1024,
            slow_client: Duration::from_secs(10),
            authz_max_stale: Duration::from_secs(900),
            authz_revalidate: Duration::from_secs(300),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            max_connections: 20_000,
            max_connections_per_address: 500,
            max_connections_per_user: 50,
            max_unauthenticated: 200,
            max_subscriptions: 64,
            max_message_bytes: 16 * 1024,
            max_messages_per_second: 50,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// Addresses that have their first bits in common: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Not an address, with or without the number of bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither an address nor a network such as 10.0.0.0/8")]
pub struct NoNetwork;

impl std::str::FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), |bits| bits.parse().map_err(|_| NoNetwork))?;
        if bits <= all { Ok(Self { address, bits }) } else { Err(NoNetwork) }
    }
}

impl Network {
    /// Whether an address is of this network. An IPv4 address counts as such also where a socket shows it as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits_of = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
            IpAddr::V6(v6) => (v6.to_bits(), false),
        };
        let ((own, own_is_v4), (other, other_is_v4)) = (bits_of(self.address), bits_of(address));
        own_is_v4 == other_is_v4 && (self.bits == 0 || (own ^ other) >> (128 - u32::from(self.bits)) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_say() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::10.1.1.1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("192.168.1.128/25", "192.168.1.200", "192.168.1.100"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network:?} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network:?} {outside}");
        }
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "proxy", "10.0.0.0/-1"] {
            assert_eq!(wrong.parse::<Network>(), Err(NoNetwork), "{wrong}");
        }
    }
}
