//! Classification of addresses. A name may resolve to an address that is not public only if a grant names the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns true if the address is reachable on the public internet (IANA special-purpose address registries, RFC 6890
/// and its successors).
///
/// Some addresses contain another address: IPv4-mapped and -compatible, NAT64, 6to4, Teredo. They are public only if
/// the inner address is public.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0 // "this network"
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || (a == 100 && (b & 0b1100_0000) == 64) // carrier-grade NAT, 100.64.0.0/10
        || (a == 192 && b == 0 && c == 0) // IETF protocol assignments
        || address.is_documentation()
        || (a == 192 && b == 88 && c == 99) // 6to4 relay anycast, deprecated
        || (a == 198 && (b & 0b1111_1110) == 18) // benchmarking, 198.18.0.0/15
        || address.is_multicast()
        || a >= 240; // reserved and broadcast
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0, _, _] => false, // unspecified, loopback, IPv4-compatible (deprecated)
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low), // IPv4-mapped
        [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low), // IPv4-translated
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low), // NAT64
        [0x64, 0xff9b, 1, ..] => false,    // local-use NAT64
        [0x2002, high, low, ..] => v4(high, low), // 6to4
        [0x2001, 0, ..] => false,          // Teredo
        [0x2001, b, ..] if b < 0x200 => false, // IETF protocol assignments
        [0x2001, 0xdb8, ..] => false,      // documentation
        [0x3fff, b, ..] if b < 0x1000 => false, // documentation
        [0x5f00, ..] => false,             // segment routing
        [0x100, 0, 0, 0, ..] => false,     // discard
        [a, ..] => {
            // Only 2000::/3 is global unicast. Unique local, link-local, site-local and multicast addresses are outside
            // of it.
            (a & 0xe000) == 0x2000
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text} was taken for public");
        }
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.128.0.1",
            "172.32.0.1",
            "192.1.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text} was refused");
        }
    }
}
